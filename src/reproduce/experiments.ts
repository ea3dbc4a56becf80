/** The experiments of section 4, which Tables 3 to 6 list and the claims compare. */
import { parseTrainScale } from '../core/scale.ts';
import type { Protocol } from '../evaluate/protocol/protocol.ts';
import { scalesFor } from '../evaluate/protocol/test-scales.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import { buildNetwork } from '../net/network.ts';
import type { PlannedTraining } from './training-order.ts';

/** One test scale Q, or the three of section 4.2. */
export type TestScales = 'single' | 'auto';

/** The error of one net, or of several nets whose posteriors are averaged, under one test protocol. */
export interface Experiment {
  /** `d-256-512.dense.auto` */
  readonly id: string;
  readonly trainings: readonly PlannedTraining[];
  readonly protocol: Protocol;
  readonly scales: TestScales;
}

/** Nets of Table 4. */
const MULTI_SCALE: readonly ConfigurationName[] = ['B', 'C', 'D', 'E'];
/** Nets of Tables 5 and 6: the two best. */
const BEST: readonly ConfigurationName[] = ['D', 'E'];

export function planExperiments(trainings: readonly PlannedTraining[]): Experiment[] {
  const lastStage = Math.max(...trainings.map(({ stage }) => stage));
  const multiScale = trainings.filter(({ net }) => MULTI_SCALE.includes(net));
  const best = trainings.filter(({ stage, net }) => stage === lastStage && BEST.includes(net));
  const deep = multiScale.filter(({ net }) => net !== 'B');
  const fused = best.length > 1;
  return [
    ...trainings.map((training) => experiment([training], 'dense', 'single')),
    ...trainings
      .filter(({ net, stage }) => stage === 0 && (net === 'B' || net === 'B-5x5'))
      .map((training) => experiment([training], 'center', 'single')),
    ...multiScale.map((training) => experiment([training], 'dense', 'auto')),
    ...best.flatMap((training) => [
      experiment([training], 'crops', 'auto'),
      experiment([training], 'both', 'auto'),
    ]),
    ...(fused
      ? (['dense', 'crops', 'both'] as const).map((protocol) => experiment(best, protocol, 'auto'))
      : []),
    ...(fused && deep.length > best.length ? [experiment(deep, 'dense', 'auto')] : []),
  ];
}

function experiment(
  trainings: readonly PlannedTraining[],
  protocol: Protocol,
  scales: TestScales,
): Experiment {
  const nets = trainings.map(({ id }) => id).join('+');
  return { id: experimentId(nets, protocol, scales), trainings, protocol, scales };
}

/** @param nets ids of the trainings, joined by `+` */
export function experimentId(nets: string, protocol: Protocol, scales: TestScales): string {
  return `${nets}.${protocol}.${scales}`;
}

/** The smaller sides Q at which a net is tested, in pixels. */
export function testScalesOf({ id, recipe }: PlannedTraining, scales: TestScales): number[] {
  const { config: configuration, crop, width } = recipe;
  // The scales do not depend on the number of classes.
  const network = buildNetwork({ configuration, crop, width, classes: 2 });
  const trainScale = parseTrainScale(recipe.scale);
  return scalesFor({ network, trainScale }, scales === 'auto' ? 'auto' : undefined, id);
}
