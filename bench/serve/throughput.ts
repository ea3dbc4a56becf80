import autocannon from 'autocannon';
import { forwardProcessorTime } from './bare.ts';
import type { Requests } from './requests.ts';
import type { ServerUnderLoad } from './server-process.ts';

export interface Throughput {
  readonly clients: number;
  /** Inputs of the network, of which an image makes one or, with its mirror image, two. Of all rounds, the median. */
  readonly viewsPerSecond: number;
  /** Milliseconds; of the same round. */
  readonly medianLatency: number;
  readonly p99Latency: number;
  readonly meanBatch: number;
  /** Of `vgg bench` at that batch, to the next power of two. */
  readonly benchBatch: number;
  /** To the median of its steps, in ascending order, round by round; and to the least. */
  readonly ratios: readonly number[];
  readonly ratiosToLeast: readonly number[];
  /** Their medians. */
  readonly ratio: number;
  readonly ratioToLeast: number;
  /** Processor time of the server and of a forward pass alone: what is left when the machine has other things to do. */
  readonly processorMsPerView: number;
  readonly forwardProcessorMsPerView: number;
  readonly processorRatio: number;
}

const ROUNDS = 5;

/**
 * Load and `vgg bench` in turn, since a machine's speed moves by several percent within minutes: a round's load is
 * compared with the bench before and the bench after it.
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
      .map(({ viewsPerSecond }, i) => (viewsPerSecond * (benches[i]![time] + benches[i + 1]![time])) / 2000)
      .sort((a, b) => a - b);
  const ratios = ratiosBy('medianMsPerImage');
  const ratiosToLeast = ratiosBy('msPerImage');
  rounds.sort((a, b) => a.viewsPerSecond - b.viewsPerSecond);
  const processor = Math.min(...rounds.map(({ processorMsPerView }) => processorMsPerView));
  const forward = await forwardProcessorTime(server.model, batch);
  return {
    clients,
    ...middle(rounds),
    benchBatch: batch,
    ratios,
    ratiosToLeast,
    ratio: middle(ratios),
    ratioToLeast: middle(ratiosToLeast),
    processorMsPerView: processor,
    forwardProcessorMsPerView: forward,
    processorRatio: forward / processor,
  };
}

function middle<T>(sorted: readonly T[]): T {
  return sorted[sorted.length >> 1]!;
}

interface Round {
  readonly viewsPerSecond: number;
  readonly medianLatency: number;
  readonly p99Latency: number;
  readonly meanBatch: number;
  readonly processorMsPerView: number;
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
  const views = after.views - before.views;
  return {
    viewsPerSecond: requests.views * sustainedRate(answered, clients),
    medianLatency: result.latency.p50,
    p99Latency: result.latency.p99,
    meanBatch: views / (after.count - before.count),
    processorMsPerView: (1000 * (after.processor - before.processor)) / views,
  };
}

/**
 * Answers a second once everybody has had the first, by least squares: answers come in batches, and a count between
 * two moments is wrong by up to one.
 * @param answered seconds, ascending
 * @throws Error when there were too few to tell
 */
function sustainedRate(answered: readonly number[], clients: number): number {
  const times = answered.slice(clients);
  if (times.length < clients) {
    throw new Error(`only ${answered.length} answers came: --seconds must be larger`);
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
    views: await server.metric('verydeep_batch_images_sum'),
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
    // Longer than any queue: a request that is not answered is a failure of the server's.
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
    throw new Error(`${result.non2xx} answers were not 200, ${result.errors} requests failed`);
  }
  return result;
}
