/** Predicts how long the steps of a reproduction take on this machine. */
import { median } from '../core/statistics.ts';
import { singleProtocols } from '../evaluate/protocol/protocol.ts';
import { imageFlops } from '../net/cost.ts';
import type { Network } from '../net/network.ts';
import { evaluationTime, type Speed, trainingTime } from '../plan/arithmetic-time.ts';
import type { Recipe } from '../train/recipe.ts';
import { networkOf } from '../train/resolve-recipe.ts';
import { planEvaluations } from './evaluations.ts';
import { planExperiments, testScalesOf } from './experiments.ts';
import type { PlannedTraining, SeedTrainings } from './training-order.ts';

export interface StepEstimate {
  readonly kind: 'training' | 'evaluation';
  /** `seed-1/d-256` */
  readonly id: string;
  /** The median of several rounds of timings, with the load that the machine has now. */
  readonly seconds: number;
  /** The fastest round by processor time: if nothing else ran. */
  readonly low: number;
  /** The slowest round. */
  readonly high: number;
}

/** The speed of one network in one round. */
export interface RoundSpeed {
  readonly now: Speed;
  /** If nothing else ran. */
  readonly idle: Speed;
  readonly updateSeconds: number;
}

export interface EstimateRequest {
  readonly seeds: readonly SeedTrainings[];
  readonly trainingImages: number;
  /** In the validations of a training. */
  readonly heldOutImages: number;
  /** In the evaluations. */
  readonly testImages: number;
  readonly classes: number;
  /** Measures the machine's speed on batches of this many images. */
  speedOf(network: Network, batch: number, recipe: Recipe): Promise<RoundSpeed>;
  /** Measures the seconds that preparing one training image takes. */
  loadingOf(recipe: Recipe): Promise<LoadingTime>;
}

/** Seconds to prepare one image. */
export interface LoadingTime {
  readonly now: number;
  /** If nothing else ran. */
  readonly idle: number;
}

/** Sizes of the batches that are timed: smaller ones for networks that take long. */
const TIMED_BATCH = { most: 32, least: 4, flops: 8e11 };
const ROUNDS = 5;
/** With large networks, rounds are long: after this many seconds, two are enough. */
const PATIENCE = 60;

/** The time of each network in a round, by the network's name. */
type Round = ReadonlyMap<string, NetworkTimes>;
type NetworkTimes = RoundSpeed & { readonly loading: LoadingTime };

/**
 * Times each network in two to five rounds and multiplies: arithmetic, weight updates, preparing the images, validations.
 * Training may stop earlier, on a plateau.
 */
export async function estimateReproduction(request: EstimateRequest): Promise<StepEstimate[]> {
  const rounds: Round[] = [];
  const end = performance.now() + PATIENCE * 1000;
  while (rounds.length < 2 || (rounds.length < ROUNDS && performance.now() < end)) {
    rounds.push(await timedRound(request));
  }
  return request.seeds.flatMap(({ prefix, trainings, longer }) => [
    ...[...trainings, ...longer].map((training) =>
      step('training', prefix + training.id, rounds, (round, speed) =>
        trainingSeconds(request, training, round.get(training.net)!, speed),
      ),
    ),
    ...planEvaluations(planExperiments(trainings)).map(({ id, training, protocol, scales }) =>
      step(
        'evaluation',
        prefix + id,
        rounds,
        (round, speed) =>
          request.testImages *
          evaluationTime(
            networkOf(training.recipe, request.classes),
            singleProtocols(protocol),
            testScalesOf(training, scales),
            round.get(training.net)![speed],
          ),
      ),
    ),
  ]);
}

async function timedRound(request: EstimateRequest): Promise<Round> {
  const round = new Map<string, NetworkTimes>();
  const { trainings } = request.seeds[0]!;
  // All stages prepare their images in much the same way.
  const loading = await request.loadingOf(trainings[0]!.recipe);
  for (const { net, recipe } of trainings) {
    if (round.has(net)) continue;
    const network = networkOf(recipe, request.classes);
    const fitting = Math.round(TIMED_BATCH.flops / imageFlops(network).training);
    const batch = Math.min(recipe.batch, TIMED_BATCH.most, Math.max(TIMED_BATCH.least, fitting));
    round.set(net, { ...(await request.speedOf(network, batch, recipe)), loading });
  }
  return round;
}

function step(
  kind: StepEstimate['kind'],
  id: string,
  rounds: readonly Round[],
  secondsOf: (round: Round, speed: 'now' | 'idle') => number,
): StepEstimate {
  const now = rounds.map((round) => secondsOf(round, 'now'));
  const idle = rounds.map((round) => secondsOf(round, 'idle'));
  return { kind, id, seconds: median(now), low: Math.min(...idle, ...now), high: Math.max(...now) };
}

function trainingSeconds(
  request: EstimateRequest,
  training: PlannedTraining,
  { updateSeconds, loading, ...speeds }: NetworkTimes,
  speed: 'now' | 'idle',
): number {
  const { recipe } = training;
  const images = trainedImages(request, training);
  const network = networkOf(training.recipe, request.classes);
  const validations = Math.max(1, images / request.trainingImages / recipe['validate-every']);
  const perValidation =
    request.heldOutImages * evaluationTime(network, ['center'], [recipe.crop], speeds[speed]);
  return (
    images * (trainingTime(network, speeds[speed]) + loading[speed]) +
    (images / recipe.batch) * updateSeconds +
    validations * perValidation
  );
}

/** Images that a training computes, each in each epoch. */
export function trainedImages(
  { trainingImages }: Pick<EstimateRequest, 'trainingImages'>,
  { recipe }: PlannedTraining,
): number {
  return recipe.iterations ? recipe.iterations * recipe.batch : recipe.epochs * trainingImages;
}

/** The sums over the steps. */
export function totalOf(steps: readonly StepEstimate[]): Omit<StepEstimate, 'kind' | 'id'> {
  const sum = (key: 'seconds' | 'low' | 'high') => steps.reduce((total, one) => total + one[key], 0);
  return { seconds: sum('seconds'), low: sum('low'), high: sum('high') };
}
