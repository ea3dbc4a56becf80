/** The test scales Q: smaller sides that images are rescaled to (paper, 3.2, 4.1 and 4.2). */
import { UserError } from '../core/errors.ts';
import { shapesAlong } from '../core/layer.ts';
import { testScaleFor } from '../core/scale.ts';
import type { Network } from '../net/network.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { looksOf, type Protocol } from './protocol.ts';

/** What a person may ask for. */
export type ScalesWanted = readonly number[] | 'auto' | undefined;

/** How far the paper's test scales are from S. */
const STEP = 32;

/**
 * The scales for a model. Unless told otherwise one, Q = S or the middle of [Smin, Smax] (4.1). `auto`: three,
 * {S − 32, S, S + 32} or {Smin, middle, Smax} (4.2); where S − 32 would be below the crop, the step is what is
 * left, as in the paper, where 256 − 32 is the crop.
 * @param path what messages call the model
 * @throws UserError for `auto` where nothing is known of the model's training.
 */
export function scalesFor(
  { network, trainScale }: Pick<ModelFacts, 'network' | 'trainScale'>,
  wanted: ScalesWanted,
  path: string,
): number[] {
  if (wanted !== 'auto' && wanted !== undefined) return [...wanted];
  if (!trainScale) {
    if (wanted === undefined) return [network.crop];
    throw new UserError(
      `${path} does not say at which scale it was trained, so the scales that belong to it are not known; give them (--scales 256,384,512)`,
    );
  }
  const middle = testScaleFor(trainScale);
  if (wanted === undefined) return [middle];
  const { min, max } = trainScale;
  const step = Math.max(0, Math.min(STEP, min - network.crop));
  const three = min < max ? [min, middle, max] : [min - step, min, min + step];
  return [...new Set(three)];
}

/**
 * @throws UserError when images of scale Q are too small for the network.
 */
export function checkScale(network: Network, protocol: Protocol, scale: number, path: string): void {
  const least =
    looksOf(protocol).includes('crops') || protocol === 'center' ? network.crop : leastDense(network);
  if (scale >= least) return;
  const why =
    least === network.crop && protocol !== 'dense'
      ? `crops of ${network.crop} do not fit`
      : `pooling leaves less than the ${network.crop / 32}×${network.crop / 32} that fc6 takes`;
  throw new UserError(
    `the scale ${scale} is too small for ${path}, whose crop is ${network.crop}: ${why}; use a scale of at least ${least}`,
  );
}

/** The smallest side that the convolutional layers leave crop/32 of: the crop, or less when pooling rounds up. */
function leastDense(network: Network): number {
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
