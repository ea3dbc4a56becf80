/** Predicts how long the steps of a reproduction take on this machine. */
import { singleProtocols } from '../evaluate/protocol/protocol.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import { evaluationTime, type Speed, trainingTime } from '../plan/arithmetic-time.ts';
import type { Recipe } from '../train/recipe.ts';
import type { PlannedEvaluation } from './evaluations.ts';
import { testScalesOf } from './experiments.ts';
import type { PlannedTraining } from './training-order.ts';

export interface StepEstimate {
  readonly kind: 'training' | 'evaluation';
  readonly id: string;
  readonly seconds: number;
}

export interface EstimateRequest {
  readonly trainings: readonly PlannedTraining[];
  readonly evaluations: readonly PlannedEvaluation[];
  readonly trainingImages: number;
  readonly validationImages: number;
  readonly classes: number;
  /** Measures the machine's speed on batches of this many images. */
  speedOf(network: Network, batch: number, recipe: Recipe): Promise<Speed>;
}

/** Size of the largest batch that is timed. */
const TIMED_BATCH = 32;

/**
 * Times each network once and multiplies. Training may stop earlier, on a plateau. Decoding and validation are not
 * included.
 */
export async function estimateReproduction(request: EstimateRequest): Promise<StepEstimate[]> {
  const { trainings, evaluations, trainingImages, validationImages, classes } = request;
  const networkOf = ({ net, recipe: { crop, width, pooling } }: PlannedTraining): Network =>
    buildNetwork({ configuration: net, classes, crop, width, pooling });
  const speeds = new Map<string, Speed>();
  for (const training of trainings) {
    const { net, recipe } = training;
    if (speeds.has(net)) continue;
    speeds.set(net, await request.speedOf(networkOf(training), Math.min(recipe.batch, TIMED_BATCH), recipe));
  }
  return [
    ...trainings.map((training): StepEstimate => {
      const { id, net, recipe } = training;
      const images = recipe.iterations ? recipe.iterations * recipe.batch : recipe.epochs * trainingImages;
      const seconds = images * trainingTime(networkOf(training), speeds.get(net)!);
      return { kind: 'training', id, seconds };
    }),
    ...evaluations.map(({ id, training, protocol, scales }): StepEstimate => {
      const perImage = evaluationTime(
        networkOf(training),
        singleProtocols(protocol),
        testScalesOf(training, scales),
        speeds.get(training.net)!,
      );
      return { kind: 'evaluation', id, seconds: validationImages * perImage };
    }),
  ];
}
