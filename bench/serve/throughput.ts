import autocannon from 'autocannon';
import type { ServerUnderLoad } from './server-process.ts';

export interface Throughput {
  readonly clients: number;
  readonly imagesPerSecond: number;
  /** Milliseconds. */
  readonly medianLatency: number;
  readonly p99Latency: number;
  readonly meanBatch: number;
  /** Of `vgg bench` at that batch, to the next power of two: its fastest run, and its median. */
  readonly benchBatch: number;
  readonly benchImagesPerSecond: number;
  readonly benchMedianImagesPerSecond: number;
  readonly ratio: number;
  readonly ratioToMedian: number;
}

export async function measureThroughput(
  server: ServerUnderLoad,
  jpegs: readonly Buffer[],
  clients: number,
  seconds: number,
): Promise<Throughput> {
  await load(server, jpegs, { connections: clients, duration: 3 });
  const before = await batches(server);
  const result = await load(server, jpegs, { connections: clients, duration: seconds });
  const after = await batches(server);
  const meanBatch = (after.images - before.images) / (after.count - before.count);
  const benchBatch = 2 ** Math.round(Math.log2(meanBatch));
  const { msPerImage, medianMsPerImage } = await server.bench(benchBatch);
  const imagesPerSecond = result['2xx'] / result.duration;
  return {
    clients,
    imagesPerSecond,
    medianLatency: result.latency.p50,
    p99Latency: result.latency.p99,
    meanBatch,
    benchBatch,
    benchImagesPerSecond: 1000 / msPerImage,
    benchMedianImagesPerSecond: 1000 / medianMsPerImage,
    ratio: (imagesPerSecond * msPerImage) / 1000,
    ratioToMedian: (imagesPerSecond * medianMsPerImage) / 1000,
  };
}

async function batches(server: ServerUnderLoad) {
  return {
    images: await server.metric('verydeep_batch_images_sum'),
    count: await server.metric('verydeep_batch_images_count'),
  };
}

/** @throws Error when a request was not answered with 200. */
export async function load(
  { url }: ServerUnderLoad,
  jpegs: readonly Buffer[],
  how: Pick<autocannon.Options, 'connections' | 'duration' | 'amount'>,
): Promise<autocannon.Result> {
  const result = await autocannon({
    url,
    ...how,
    requests: jpegs.map((body) => ({
      method: 'POST',
      path: '/v1/predict?protocol=center',
      headers: { 'content-type': 'image/jpeg' },
      body,
    })),
  });
  if (result.non2xx + result.errors > 0) {
    throw new Error(`${result.non2xx} answers were not 200, ${result.errors} requests failed`);
  }
  return result;
}
