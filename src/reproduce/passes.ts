/**
 * The passes over the test images that a plan's measurements need: one for each net, with everything that it is
 * asked for. What a measurement averages (scales, looks, nets) is taken from what the passes kept.
 */
import { type Protocol, type SingleProtocol, singleProtocols } from '../evaluate/protocol.ts';
import type { PlannedRun } from './chain.ts';
import type { PlannedMeasurement } from './measurements.ts';

export interface PlannedPass {
  /** `d-256-512.both.auto` */
  readonly id: string;
  readonly run: PlannedRun;
  readonly protocol: Protocol;
  readonly scales: 'single' | 'auto';
}

/** The fewest passes that have all parts of all measurements, in the order of the measurements. */
export function planPasses(measurements: readonly PlannedMeasurement[]): PlannedPass[] {
  const runs = [...new Set(measurements.flatMap((measurement) => measurement.runs))];
  return runs.flatMap((run) => {
    const own = measurements.filter((measurement) => measurement.runs.includes(run));
    const [quick, thorough] = [
      own.filter(({ protocol }) => protocol === 'center'),
      own.filter(({ protocol }) => protocol !== 'center'),
    ];
    return [...passOver(run, thorough), ...passOver(run, quick)];
  });
}

function passOver(run: PlannedRun, measurements: readonly PlannedMeasurement[]): PlannedPass[] {
  if (measurements.length === 0) return [];
  const looks = [...new Set(measurements.flatMap(({ protocol }) => singleProtocols(protocol)))];
  const protocol = protocolOf(looks);
  const scales = measurements.some((measurement) => measurement.scales === 'auto') ? 'auto' : 'single';
  return [{ id: `${run.id}.${protocol}.${scales}`, run, protocol, scales }];
}

function protocolOf(looks: readonly SingleProtocol[]): Protocol {
  return looks.length === 1 ? looks[0]! : 'both';
}

/** The pass that has a measurement's parts of one of its nets. */
export function passFor(
  { protocol, scales }: PlannedMeasurement,
  run: PlannedRun,
  passes: readonly PlannedPass[],
): PlannedPass {
  const looks = singleProtocols(protocol);
  const found = passes.find(
    (pass) =>
      pass.run === run &&
      looks.every((look) => singleProtocols(pass.protocol).includes(look)) &&
      (pass.scales === 'auto' || scales === 'single'),
  );
  if (!found) throw new Error(`no pass has ${protocol} at ${scales} of ${run.id}`);
  return found;
}
