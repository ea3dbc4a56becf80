/** Predicts how long the steps of a reproduction take on this machine. */
import { median } from '../core/statistics.ts';
import { singleProtocols } from '../evaluate/protocol/protocol.ts';
import { buildNetwork, type Network } from '../net/network.ts';
import { evaluationTime, type Speed, trainingTime } from '../plan/arithmetic-time.ts';
import type { Recipe } from '../train/recipe.ts';
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
  loadingOf(recipe: Recipe): Promise<number>;
}

/** Size of the largest batch that is timed. */
const TIMED_BATCH = 32;
const ROUNDS = 5;

/** The time of each network in a round, by the network's name. */
type Round = ReadonlyMap<string, RoundSpeed & { readonly loading: number }>;

/**
 * Times each network in several rounds and multiplies: arithmetic, weight updates, preparing the images, validations.
 * Training may stop earlier, on a plateau.
 */
export async function estimateReproduction(request: EstimateRequest): Promise<StepEstimate[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await timedRound(request));
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
            networkOf(request, training),
            singleProtocols(protocol),
            testScalesOf(training, scales),
            round.get(training.net)![speed],
          ),
      ),
    ),
  ]);
}

function networkOf({ classes }: EstimateRequest, { net, recipe }: PlannedTraining): Network {
  const { crop, width, pooling } = recipe;
  return buildNetwork({ configuration: net, classes, crop, width, pooling });
}

async function timedRound(request: EstimateRequest): Promise<Round> {
  const round = new Map<string, RoundSpeed & { loading: number }>();
  for (const training of request.seeds[0]!.trainings) {
    const { net, recipe } = training;
    if (round.has(net)) continue;
    const speed = await request.speedOf(
      networkOf(request, training),
      Math.min(recipe.batch, TIMED_BATCH),
      recipe,
    );
    round.set(net, { ...speed, loading: await request.loadingOf(recipe) });
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
  { updateSeconds, loading, ...speeds }: RoundSpeed & { readonly loading: number },
  speed: 'now' | 'idle',
): number {
  const { recipe } = training;
  const images = recipe.iterations
    ? recipe.iterations * recipe.batch
    : recipe.epochs * request.trainingImages;
  const network = networkOf(request, training);
  const validations = Math.max(1, images / request.trainingImages / recipe['validate-every']);
  const perValidation =
    request.heldOutImages * evaluationTime(network, ['center'], [recipe.crop], speeds[speed]);
  return (
    images * (trainingTime(network, speeds[speed]) + loading) +
    (images / recipe.batch) * updateSeconds +
    validations * perValidation
  );
}

/** The sums over the steps. */
export function totalOf(steps: readonly StepEstimate[]): Omit<StepEstimate, 'kind' | 'id'> {
  const sum = (key: 'seconds' | 'low' | 'high') => steps.reduce((total, one) => total + one[key], 0);
  return { seconds: sum('seconds'), low: sum('low'), high: sum('high') };
}
