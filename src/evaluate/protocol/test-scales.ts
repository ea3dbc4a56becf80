/** The test scales Q: smaller sides that images are rescaled to (paper, 3.2, 4.1 and 4.2). */
import { UserError } from '../../core/errors.ts';
import { shapesAlong } from '../../core/layer.ts';
import { testScaleFor } from '../../core/scale.ts';
import { fullyConnectedLayers, type Network } from '../../net/network.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import { type Protocol, type ProtocolOptions, singleProtocols } from './protocol.ts';

/** Scales as a user requests them. */
export type RequestedScales = ProtocolOptions['scales'];

/** Distance of the paper's test scales from S, in pixels. */
const STEP = 32;

/**
 * The scales for a model, checked against its network.
 * @param path name of the model in messages
 * @throws UserError when the scales are unknown or too small.
 */
export function resolveScales(
  facts: Pick<ModelFacts, 'network' | 'trainScale' | 'publishedTest'>,
  requested: RequestedScales,
  protocol: Protocol,
  path: string,
): number[] {
  const scales = scalesFor(facts, requested, path);
  for (const scale of scales) checkScale(facts.network, protocol, scale, path);
  return scales;
}

/**
 * The scales for a model. Default: one, Q = S or the middle of [Smin, Smax] (4.1), or that of its publisher. `auto`: three, {S − 32, S, S + 32}
 * or {Smin, middle, Smax} (4.2). If S − 32 is below the crop, the step shrinks to S − crop, as in the paper, where
 * 256 − 32 is the crop.
 * @param path name of the model in messages
 * @throws UserError for `auto` when the model's training scale is unknown.
 */
export function scalesFor(
  { network, trainScale, publishedTest }: Pick<ModelFacts, 'network' | 'trainScale' | 'publishedTest'>,
  requested: RequestedScales,
  path: string,
): number[] {
  if (requested !== 'auto' && requested !== undefined) return [...requested];
  if (requested === undefined && publishedTest) return [publishedTest.scale];
  if (!trainScale) {
    if (requested === undefined) return [network.crop];
    throw new UserError(
      `${path} does not record its training scale, so its automatic test scales are unknown; list them (--scales 256,384,512)`,
    );
  }
  const middle = testScaleFor(trainScale);
  if (requested === undefined) return [middle];
  const { min, max } = trainScale;
  const step = Math.max(0, Math.min(STEP, min - network.crop));
  const three = min < max ? [min, middle, max] : [min - step, min, min + step];
  return [...new Set(three)];
}

/** @throws UserError when images of scale Q are too small for the network. */
export function checkScale(network: Network, protocol: Protocol, scale: number, path: string): void {
  const usesCrops = protocol === 'center' || singleProtocols(protocol).includes('crops');
  const minimum = usesCrops ? network.crop : minimumDense(network);
  if (scale >= minimum) return;
  const [needed] = fullyConnectedLayers(network);
  const takes = network.headPool ? 1 : needed!.kernel;
  const reason =
    protocol === 'dense'
      ? `pooling leaves less than the ${takes}×${takes} inputs of ${network.headPool ? 'pool6' : 'fc6'}`
      : `crops of ${network.crop} do not fit`;
  throw new UserError(
    `the scale ${scale} is too small for ${path}, whose crop is ${network.crop}: ${reason}; use a scale of at least ${minimum}`,
  );
}

/** The smallest side that the convolutional layers reduce to crop/32: the crop, or less if pooling rounds up. */
function minimumDense(network: Network): number {
  for (let side = network.crop; side > 1; side--) {
    try {
      shapesAlong(network.layers, [1, 3, side - 1, side - 1]);
    } catch (error) {
      if (error instanceof RangeError) return side;
      throw error;
    }
  }
  return 1;
}
