/** The evaluations that fill Tables 3 to 6 and decide the claims of section 4. */
import type { Protocol } from '../evaluate/protocol.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import type { PlannedRun } from './chain.ts';

/** One evaluation of one model, or of several averaged. */
export interface PlannedMeasurement {
  /** `d-256-512.dense.auto` */
  readonly id: string;
  readonly runs: readonly PlannedRun[];
  readonly protocol: Protocol;
  /** One test scale, or the three of section 4.2. */
  readonly scales: 'single' | 'auto';
}

/** Nets that Table 4 has. */
const MULTI_SCALE: readonly ConfigurationName[] = ['B', 'C', 'D', 'E'];
/** Nets that Tables 5 and 6 compare: the two best. */
const BEST: readonly ConfigurationName[] = ['D', 'E'];

export function planMeasurements(runs: readonly PlannedRun[]): PlannedMeasurement[] {
  const lastStage = Math.max(...runs.map(({ stage }) => stage));
  const best = runs.filter(({ stage, net }) => stage === lastStage && BEST.includes(net));
  const deep = runs.filter(({ net }) => MULTI_SCALE.includes(net) && net !== 'B');
  return [
    ...runs.map((run) => measurement([run], 'dense', 'single')),
    ...runs
      .filter(({ net, stage }) => stage === 0 && (net === 'B' || net === 'B-5x5'))
      .map((run) => measurement([run], 'center', 'single')),
    ...runs.filter(({ net }) => MULTI_SCALE.includes(net)).map((run) => measurement([run], 'dense', 'auto')),
    ...best.flatMap((run) => [measurement([run], 'crops', 'auto'), measurement([run], 'both', 'auto')]),
    ...(best.length > 1
      ? (['dense', 'crops', 'both'] as const).map((protocol) => measurement(best, protocol, 'auto'))
      : []),
    ...(deep.length > best.length && best.length > 1 ? [measurement(deep, 'dense', 'auto')] : []),
  ];
}

export function measurement(
  runs: readonly PlannedRun[],
  protocol: Protocol,
  scales: 'single' | 'auto',
): PlannedMeasurement {
  return {
    id: measurementId(
      runs.map(({ id }) => id),
      protocol,
      scales,
    ),
    runs,
    protocol,
    scales,
  };
}

export function measurementId(
  runs: readonly string[],
  protocol: Protocol,
  scales: 'single' | 'auto',
): string {
  return `${runs.join('+')}.${protocol}.${scales}`;
}
