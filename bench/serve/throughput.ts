import autocannon from 'autocannon';
import { forwardProcessorTime } from './baseline.ts';
import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';

export interface Throughput {
  readonly clients: number;
  /** Network inputs per second: one for each image, or two with its mirror image. The median of all rounds. */
  readonly inputsPerSecond: number;
  /** In milliseconds, of the same round. */
  readonly medianLatency: number;
  readonly p99Latency: number;
  readonly meanBatch: number;
  /** Batch size of `vgg bench`: the mean batch size, rounded to a power of two. */
  readonly benchBatch: number;
  /** Throughput relative to the median and to the fastest step of `vgg bench`, for each round, ascending. */
  readonly ratios: readonly number[];
  readonly ratiosToLeast: readonly number[];
  /** Medians of the ratios. */
  readonly ratio: number;
  readonly ratioToLeast: number;
  /** CPU time of the server and of a forward pass alone, which other load on the machine affects less. */
  readonly processorMsPerInput: number;
  readonly forwardProcessorMsPerInput: number;
  readonly processorRatio: number;
}

const ROUNDS = 5;

/**
 * Load and `vgg bench` alternate, since a machine's speed varies by several percent within minutes: the load of each
 * round is compared with the benchmarks before and after it.
 */
export async function measureThroughput(
  server: ServerUnderLoad,
  requests: Requests,
  clients: number,
  seconds: number,
): Promise<Throughput> {
  const warm = await loadRound(server, requests, clients, seconds / ROUNDS);
  const batch = 2 ** Math.round(Math.log2(warm.meanBatch));
  const rounds: Round[] = [];
  const benches = [await server.bench(batch)];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push(await loadRound(server, requests, clients, seconds / ROUNDS));
    benches.push(await server.bench(batch));
  }
  const ratiosBy = (time: 'msPerImage' | 'medianMsPerImage') =>
    rounds
      .map(({ inputsPerSecond }, i) => (inputsPerSecond * (benches[i]![time] + benches[i + 1]![time])) / 2000)
      .sort((a, b) => a - b);
  const ratios = ratiosBy('medianMsPerImage');
  const ratiosToLeast = ratiosBy('msPerImage');
  rounds.sort((a, b) => a.inputsPerSecond - b.inputsPerSecond);
  const processor = Math.min(...rounds.map(({ processorMsPerInput }) => processorMsPerInput));
  const forward = await forwardProcessorTime(server.model, batch);
  return {
    clients,
    ...middle(rounds),
    benchBatch: batch,
    ratios,
    ratiosToLeast,
    ratio: middle(ratios),
    ratioToLeast: middle(ratiosToLeast),
    processorMsPerInput: processor,
    forwardProcessorMsPerInput: forward,
    processorRatio: forward / processor,
  };
}

function middle<T>(sorted: readonly T[]): T {
  return sorted[sorted.length >> 1]!;
}

interface Round {
  readonly inputsPerSecond: number;
  readonly medianLatency: number;
  readonly p99Latency: number;
  readonly meanBatch: number;
  readonly processorMsPerInput: number;
}

async function loadRound(
  server: ServerUnderLoad,
  requests: Requests,
  clients: number,
  seconds: number,
): Promise<Round> {
  const before = await batches(server);
  const answered: number[] = [];
  const result = await load(server, requests, { connections: clients, duration: seconds }, () => {
    answered.push(performance.now() / 1000);
  });
  const after = await batches(server);
  const inputs = after.inputs - before.inputs;
  return {
    inputsPerSecond: requests.inputs * sustainedRate(answered, clients),
    medianLatency: result.latency.p50,
    p99Latency: result.latency.p99,
    meanBatch: inputs / (after.count - before.count),
    processorMsPerInput: (1000 * (after.processor - before.processor)) / inputs,
  };
}

/**
 * Responses per second after every client's first response, by least squares: responses come in batches, and a count
 * between two moments is off by up to one.
 * @param answered times in seconds, ascending
 * @throws Error when there are too few responses
 */
function sustainedRate(answered: readonly number[], clients: number): number {
  const times = answered.slice(clients);
  if (times.length < clients) {
    throw new Error(`only ${answered.length} responses arrived: increase --seconds`);
  }
  const meanTime = times.reduce((sum, time) => sum + time, 0) / times.length;
  const meanCount = (times.length - 1) / 2;
  let together = 0;
  let spread = 0;
  times.forEach((time, count) => {
    together += (time - meanTime) * (count - meanCount);
    spread += (time - meanTime) ** 2;
  });
  return together / spread;
}

async function batches(server: ServerUnderLoad) {
  return {
    inputs: await server.metric('verydeep_batch_images_sum'),
    count: await server.metric('verydeep_batch_images_count'),
    processor: await server.metric('process_cpu_seconds_total'),
  };
}

/** @throws Error when a request was not answered with 200. */
export async function load(
  { url }: ServerUnderLoad,
  { path, jpegs }: Requests,
  how: Pick<autocannon.Options, 'connections' | 'duration' | 'amount'>,
  onAnswer = () => {},
): Promise<autocannon.Result> {
  const options: autocannon.Options = {
    url,
    ...how,
    // Longer than any queue: a request without a response is an error of the server.
    timeout: 120,
    requests: jpegs.map((body) => ({
      method: 'POST',
      path,
      headers: { 'content-type': 'image/jpeg' },
      body,
    })),
  };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    autocannon(options, (error, result) => {
      if (error) reject(error);
      else resolve(result);
    }).on('response', onAnswer);
  });
  if (result.non2xx + result.errors > 0) {
    throw new Error(`${result.non2xx} responses were not 200, ${result.errors} requests failed`);
  }
  return result;
}
