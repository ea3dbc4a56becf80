/** Measures the speed of a network on this machine, and of each layer if the backend can time layers. */
import { performance } from 'node:perf_hooks';
import { type Communicator, single } from '../comm/communicator.ts';
import { fromFirst } from '../core/process-team.ts';
import type { Backend, Parameters, StageTime } from '../kernels/backend.ts';
import type { BackendName, BackendOptions, Precision } from '../kernels/backend-options.ts';
import { openBackend } from '../kernels/registry.ts';
import { imageFlops } from '../net/cost.ts';
import type { Network } from '../net/network.ts';
import type { Benchmark, BenchmarkMode, ExchangeReport } from '../report/benchmark-result.ts';
import { overlapByLayer } from '../train/exchange-overlap.ts';
import { localRankOf, threadsPerRank } from '../train/same-on-all-ranks.ts';
import {
  fillWithNoise,
  prepareInference,
  prepareTraining,
  type TimedProgram,
  type Times,
} from './benchmark-programs.ts';
import { rowsOf, type WatchedRun } from './benchmark-rows.ts';

export interface BenchmarkOptions extends BackendOptions {
  readonly network: Network;
  /** Images per batch on each rank. */
  readonly batch: number;
  readonly mode: BenchmarkMode;
  readonly backend: BackendName;
  readonly precision: Precision;
  /** Duration of the measurement, which takes at least three runs. */
  readonly seconds: number;
  /** The ranks that train together; all run the same benchmark (default: this process alone). */
  readonly communicator?: Communicator;
}

const FEWEST_RUNS = 3;

/**
 * Times inference, or whole steps of training: forward, loss, backward, update.
 * @throws UserError when the backend is missing or memory runs out.
 */
export async function benchmark(options: BenchmarkOptions): Promise<Benchmark> {
  const { network, batch, mode, precision, communicator = single } = options;
  const threads = options.threads ?? threadsPerRank(communicator);
  const backend = await openBackend(options.backend, {
    ...options,
    threads,
    localRank: await localRankOf(communicator, options.backend),
  });
  const { instruments } = backend;
  const parameters = backend.createParameters(network.parameters, { training: mode === 'train' });
  try {
    await fillWithNoise(parameters);
    const prepare = mode === 'train' ? prepareTraining : prepareInference;
    const timed = await prepare(backend, parameters, network, batch, communicator);
    const { times, watched } = await runsOf(backend, timed, options.seconds, communicator);
    const programBytes = timed.program.memoryBytes;
    timed.program.dispose();
    const peak = await instruments.peakFlops?.();
    const peakGflops = peak === undefined ? undefined : peak / 1e9;
    const totals = times.map(({ total }) => total / batch).sort((a, b) => a - b);
    const flops = imageFlops(network)[mode === 'train' ? 'training' : 'forward'];
    const gflops = flops / totals[0]! / 1e6;
    return {
      configuration: network.configuration,
      batch,
      crop: network.crop,
      width: network.width,
      mode,
      backend: backend.name,
      threads: backend.threads,
      precision,
      engine: backend.description,
      msPerImage: totals[0]!,
      medianMsPerImage: totals[Math.floor(totals.length / 2)]!,
      runs: totals.length,
      gflops,
      peakGflops,
      shareOfPeak: peakGflops === undefined ? undefined : gflops / peakGflops,
      peakMemoryBytes: process.resourceUsage().maxRSS * 1024,
      programBytes,
      parameterBytes: instruments.parameterBytes(parameters),
      layers: watched.length > 0 ? rowsOf(watched, network, batch, peakGflops) : [],
      ...exchangeOf(times, parameters, communicator),
    };
  } finally {
    parameters.dispose();
  }
}

/** The gradient exchange of the run whose exchange took the median time. */
function exchangeOf(
  times: readonly Times[],
  { specs, gradientTransfer }: Parameters,
  { size }: Communicator,
): { exchange?: ExchangeReport } {
  const exchanges = times.flatMap(({ exchange }) => exchange ?? []).sort((a, b) => a.total - b.total);
  const usual = exchanges[Math.floor(exchanges.length / 2)];
  if (!usual) return {};
  const layers = overlapByLayer(specs, usual.buckets);
  const devices = gradientTransfer?.devices ?? 1;
  return { exchange: { ranks: size, devices, seconds: usual.total, exposedSeconds: usual.exposed, layers } };
}

interface Runs {
  readonly times: readonly Times[];
  /** Runs whose stages were timed; empty if the backend cannot time stages. */
  readonly watched: readonly WatchedRun[];
}

async function runsOf(
  backend: Backend,
  { program, run }: TimedProgram,
  seconds: number,
  communicator: Communicator,
): Promise<Runs> {
  const clock = backend.instruments.stageClock;
  if (!clock) return { times: await repeated(run, seconds, communicator), watched: [] };
  const watch = async (): Promise<WatchedRun> => {
    let times: Times | undefined;
    const stages: readonly StageTime[] = await clock.watch(program, async () => {
      times = await run();
    });
    return { ...times!, stages };
  };
  if (!clock.disturbs) {
    const watched = await repeated(watch, seconds, communicator);
    return { times: watched, watched };
  }
  const pairs = await repeated(async () => [await run(), await watch()] as const, seconds, communicator);
  return { times: pairs.map(([times]) => times), watched: pairs.map(([, watched]) => watched) };
}

/** Repeats runs after a warm-up. The first rank's clock decides how often; all ranks begin each run together. */
async function repeated<T>(run: () => Promise<T>, seconds: number, communicator: Communicator): Promise<T[]> {
  await run();
  const runs: T[] = [];
  const end = performance.now() + seconds * 1000;
  while (await fromFirst(communicator, runs.length < FEWEST_RUNS || performance.now() < end)) {
    runs.push(await run());
  }
  return runs;
}
