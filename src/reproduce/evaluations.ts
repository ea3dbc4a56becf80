/**
 * The evaluations that a plan's experiments need. Each runs one net on the test images and keeps the posteriors, so that
 * experiments that average scales, protocols or nets do not run the net again.
 */
import { type Protocol, type SingleProtocol, singleProtocols } from '../evaluate/protocol/protocol.ts';
import { type Experiment, experimentId, type TestScales } from './experiments.ts';
import type { PlannedTraining } from './training-order.ts';

export interface PlannedEvaluation {
  /** `d-256-512.both.auto` */
  readonly id: string;
  readonly training: PlannedTraining;
  readonly protocol: Protocol;
  readonly scales: TestScales;
}

/** The fewest evaluations that cover all experiments, in the order of the experiments. */
export function planEvaluations(experiments: readonly Experiment[]): PlannedEvaluation[] {
  const trainings = [...new Set(experiments.flatMap((experiment) => experiment.trainings))];
  return trainings.flatMap((training) => {
    const own = experiments.filter((experiment) => experiment.trainings.includes(training));
    // Center crops are evaluated without mirror images, so they are an evaluation by themselves.
    return [
      own.filter(({ protocol }) => protocol !== 'center'),
      own.filter(({ protocol }) => protocol === 'center'),
    ]
      .filter((group) => group.length > 0)
      .map((group) => evaluationOf(training, group));
  });
}

function evaluationOf(training: PlannedTraining, experiments: readonly Experiment[]): PlannedEvaluation {
  const protocols = [...new Set(experiments.flatMap(({ protocol }) => singleProtocols(protocol)))];
  const protocol = protocols.length === 1 ? protocols[0]! : 'both';
  const scales = experiments.some((experiment) => experiment.scales === 'auto') ? 'auto' : 'single';
  return { id: experimentId(training.id, protocol, scales), training, protocol, scales };
}

/** The evaluations that cover an experiment, one for each of its nets and in their order. */
export function evaluationsFor(
  { trainings, protocol, scales }: Experiment,
  evaluations: readonly PlannedEvaluation[],
): PlannedEvaluation[] {
  const covers = (protocols: readonly SingleProtocol[]) =>
    singleProtocols(protocol).every((single) => protocols.includes(single));
  return trainings.map(
    (training) =>
      evaluations.find(
        (evaluation) =>
          evaluation.training === training &&
          covers(singleProtocols(evaluation.protocol)) &&
          (evaluation.scales === 'auto' || scales === 'single'),
      )!,
  );
}
