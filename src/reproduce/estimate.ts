/** How long a plan takes on this machine, before anything runs. */
import { parseTrainScale } from '../core/scale.ts';
import { singleProtocols } from '../evaluate/protocol.ts';
import { scalesFor } from '../evaluate/scales.ts';
import { layerCosts } from '../net/cost.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import type { Recipe } from '../train/recipe.ts';
import type { PlannedRun } from './chain.ts';
import type { PlannedPass } from './passes.ts';

export interface StepEstimate {
  readonly kind: 'training' | 'evaluation';
  readonly id: string;
  readonly seconds: number;
}

export interface EstimateRequest {
  readonly runs: readonly PlannedRun[];
  readonly passes: readonly PlannedPass[];
  readonly trainingImages: number;
  readonly validationImages: number;
  readonly classes: number;
  /** What the machine computes of a network, in 10⁹ operations a second, a multiply-add being two. */
  speedOf(
    network: Network,
    batch: number,
    recipe: Recipe,
  ): Promise<{ readonly inferenceGflops: number; readonly trainingGflops: number }>;
}

/** Images timed at once, at most. */
const TIMED = 32;

/** A training step goes forward once and back twice: for the inputs and for the weights. */
const PASSES = 3;

/**
 * Times each network once, then multiplies. Plateaus may end a training sooner; decoding and validation are not counted.
 */
export async function estimateReproduction(request: EstimateRequest): Promise<StepEstimate[]> {
  const speeds = new Map<string, Awaited<ReturnType<EstimateRequest['speedOf']>>>();
  for (const { net, recipe } of request.runs) {
    if (!speeds.has(net)) {
      const network = networkOf(net, recipe, request.classes);
      speeds.set(net, await request.speedOf(network, Math.min(recipe.batch, TIMED), recipe));
    }
  }
  const training = request.runs.map(({ id, net, recipe }): StepEstimate => {
    const images = recipe.iterations
      ? recipe.iterations * recipe.batch
      : recipe.epochs * request.trainingImages;
    const flops = PASSES * forwardFlops(networkOf(net, recipe, request.classes));
    return { kind: 'training', id, seconds: (images * flops) / (1e9 * speeds.get(net)!.trainingGflops) };
  });
  const evaluation = request.passes.map(({ id, run: { net, recipe }, protocol, scales }): StepEstimate => {
    const flops = lookingFlops(networkOf(net, recipe, request.classes), recipe, protocol, scales);
    const perImage = flops / (1e9 * speeds.get(net)!.inferenceGflops);
    return { kind: 'evaluation', id, seconds: perImage * request.validationImages };
  });
  return [...training, ...evaluation];
}

function networkOf(net: PlannedRun['net'], { crop, width, pooling }: Recipe, classes: number): Network {
  return buildNetwork({ configuration: net, classes, crop, width, pooling });
}

/** Floating-point operations for an image of so many pixels, by direct convolution. */
function forwardFlops(network: Network, height = network.crop, width = height): number {
  return 2 * layerCosts(network, height, width).reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0);
}

/** A photograph's sides are about as 4 to 3. */
const ASPECT = 4 / 3;
const CROPS = 50;

function lookingFlops(
  network: Network,
  recipe: Recipe,
  protocol: PlannedPass['protocol'],
  scales: PlannedPass['scales'],
): number {
  if (protocol === 'center') return forwardFlops(network);
  const facts = { network, trainScale: parseTrainScale(recipe.scale) };
  const wanted = scales === 'auto' ? 'auto' : undefined;
  return scalesFor(facts, wanted, recipe.config).reduce((sum, scale) => {
    const dense = 2 * forwardFlops(network, scale, Math.round(scale * ASPECT));
    const crops = CROPS * forwardFlops(network);
    return (
      sum + singleProtocols(protocol).reduce((flops, look) => flops + (look === 'dense' ? dense : crops), 0)
    );
  }, 0);
}
