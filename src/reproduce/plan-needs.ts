/** The disk, the memory and the arithmetic that a plan needs. */
import { singleProtocols } from '../evaluate/protocol/protocol.ts';
import { imageFlops } from '../net/cost.ts';
import { defaultMicroBatch } from '../plan/activation-memory.ts';
import { checkpointBytes, trainingBytes, weightBytes } from '../plan/process-memory.ts';
import { networkOf } from '../train/resolve-recipe.ts';
import { planEvaluations } from './evaluations.ts';
import { planExperiments, testScalesOf } from './experiments.ts';
import { type EstimateRequest, trainedImages } from './time-estimate.ts';

export interface PlanNeeds {
  /** Bytes of all checkpoints, models and posteriors. */
  readonly diskBytes: number;
  /** Bytes of the largest training with the images that it caches, an upper estimate. */
  readonly memoryBytes: number;
  /** Floating-point operations of all trainings. */
  readonly trainingFlops: number;
}

export async function planNeeds(
  request: Pick<EstimateRequest, 'seeds' | 'trainingImages' | 'testImages' | 'classes'>,
): Promise<PlanNeeds> {
  const { seeds, testImages, classes } = request;
  let [diskBytes, memoryBytes, trainingFlops] = [0, 0, 0];
  for (const { trainings, longer } of seeds) {
    for (const training of [...trainings, ...longer]) {
      const { recipe } = training;
      const network = networkOf(recipe, classes);
      const microBatch = recipe['micro-batch'] ?? defaultMicroBatch(network, recipe.batch);
      const cached = recipe['memory-budget'] * 1.25 * 2 ** 20;
      diskBytes += checkpointBytes(network) + weightBytes(network);
      memoryBytes = Math.max(memoryBytes, cached + (await trainingBytes(network, microBatch)));
      trainingFlops += trainedImages(request, training) * imageFlops(network).training;
    }
    for (const { training, protocol, scales } of planEvaluations(planExperiments(trainings))) {
      const parts = singleProtocols(protocol).length * testScalesOf(training, scales).length;
      diskBytes += testImages * (8 + 4 * parts * classes);
    }
  }
  return { diskBytes, memoryBytes, trainingFlops };
}
