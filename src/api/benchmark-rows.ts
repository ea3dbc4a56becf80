/** Summarizes the times of runs, one row for each layer and direction. */
import type { StageTime } from '../kernels/backend.ts';
import { layerCosts } from '../net/cost.ts';
import type { Network } from '../net/network.ts';
import type { BenchmarkRow } from '../report/benchmark-result.ts';
import type { Times } from './benchmark-programs.ts';

/** A run whose stages were timed. */
export interface WatchedRun extends Times {
  readonly stages: readonly StageTime[];
}

/** Each row has the shortest time of all runs, which was disturbed least. @param peakGflops if known */
export function rowsOf(
  runs: readonly WatchedRun[],
  network: Network,
  batch: number,
  peakGflops: number | undefined,
): BenchmarkRow[] {
  const run = leastOf(runs);
  const costs = layerCosts(network);
  const row = (
    name: string,
    pass: BenchmarkRow['pass'],
    algorithm: string,
    ms: number,
    flops = 0,
  ): BenchmarkRow => {
    const gflops = ms > 0 ? (flops * batch) / ms / 1e6 : 0;
    return {
      name,
      pass,
      algorithm,
      msPerImage: ms / batch,
      gflops,
      shareOfPeak: peakGflops === undefined ? undefined : gflops / peakGflops,
      shareOfTime: ms / run.total,
    };
  };
  const rows = run.stages
    .filter(({ seconds }) => seconds > 0)
    .map(({ layer, pass, algorithm, seconds }) =>
      row(costs[layer]!.name, pass, algorithm, seconds * 1000, 2 * costs[layer]!.multiplyAdds),
    );
  if (run.update > 0) rows.push(row('parameters', 'update', 'own', run.update));
  rows.push(row('network', 'rest', 'own', restOf(run)));
  return rows;
}

function leastOf(runs: readonly WatchedRun[]): WatchedRun {
  const least = (of: (run: WatchedRun) => number) => Math.min(...runs.map(of));
  const stages = runs[0]!.stages.map((stage, i) => ({
    ...stage,
    seconds: least((run) => run.stages[i]!.seconds),
  }));
  const update = least((run) => run.update);
  const rest = least(restOf);
  return { total: sumOf(stages) + update + rest, update, stages };
}

function sumOf(stages: readonly StageTime[]): number {
  return stages.reduce((sum, { seconds }) => sum + seconds * 1000, 0);
}

/** Copying images and scores, the loss, and the time between layers. Clocks may disagree slightly. */
function restOf({ total, update, stages }: WatchedRun): number {
  return Math.max(0, total - update - sumOf(stages));
}
