import type { ColorProfiles, Rounding } from '../../core/image-preparation.ts';

/** Test protocols: which parts of an image the network is applied to (paper, 3.2). */

/**
 * `center`: one crop in the center. `dense`: the whole image, class scores averaged over positions. `crops`: a 5×5
 * regular grid of crops. `both`: the mean of the posteriors of `dense` and `crops`.
 * @example
 * for (const protocol of protocols) console.log(protocol, (await evaluateModel({ data, model, protocol })).top1Error);
 */
export const protocols = ['center', 'dense', 'crops', 'both'] as const;
export type Protocol = (typeof protocols)[number];

/** A protocol that is not a mean of others. */
export type SingleProtocol = Exclude<Protocol, 'both'>;

/** The protocols whose posteriors a protocol averages. */
export function singleProtocols(protocol: Protocol): readonly SingleProtocol[] {
  return protocol === 'both' ? ['dense', 'crops'] : [protocol];
}

/** Whether mirror images are averaged in by default: not with `center`, which is the fast protocol. */
export function flipsByDefault(protocol: Protocol): boolean {
  return protocol !== 'center';
}

/** Protocol, mirror images and test scales (paper, 3.2). */
export interface ProtocolOptions {
  /** Default `dense`; for published weights as their makers test them, unless `scales` is given. */
  readonly protocol?: Protocol;
  /**
   * Test scales Q in pixels: the image is rescaled to each as its smaller side, and posteriors are averaged over them.
   * `auto`: the paper's three scales for the training scale (4.2). Default: one, Q = S or the middle of [Smin, Smax]
   * (4.1).
   */
  readonly scales?: readonly number[] | 'auto';
  /** Whether the mirror image is averaged in (default: true, except with `center`). */
  readonly flip?: boolean;
}

/** `ProtocolOptions` with defaults filled in for given models. */
export interface ResolvedProtocol {
  readonly protocol: Protocol;
  readonly flip: boolean;
  /** Test scales Q of each model. */
  readonly scales: readonly (readonly number[])[];
  readonly colorProfiles: ColorProfiles;
  readonly rounding: Rounding;
}
