/** Checks whether ranks can train together, and measures how fast they exchange gradients. */
import type { Communicator } from '../comm/communicator.ts';
import { availableCores } from '../core/available-cores.ts';
import { messageOf } from '../core/errors.ts';
import { describeUnused } from '../data/sources/folders/unused-files.ts';
import { openImages } from '../data/sources/open-images.ts';
import { createBackend } from '../kernels/registry.ts';
import { codeFingerprint, listingOf } from '../train/same-on-all-ranks.ts';

export interface RankFacts {
  readonly name: string;
  readonly node: string;
  readonly mpi: string;
  /** Cores that this rank may use. */
  readonly cores: number;
  /** Description of the compute backend. */
  readonly backend: string;
  readonly code: string;
  /** A hash of the images' names and labels, or the reason why they cannot be listed. */
  readonly images?: string;
  /** Files of the data that are not used, as one sentence. */
  readonly unused?: string;
}

export interface Agreement {
  readonly what: string;
  readonly agreed: boolean;
  /** Whether training does not start unless the check passes. */
  readonly needed: boolean;
}

export interface ExchangeSpeed {
  readonly bytes: number;
  readonly seconds: number;
  /** Network load of each rank, which sends 2 (N − 1) / N times `bytes` in the time. */
  readonly gigabitsPerSecond: number;
}

export interface RankDiagnosis {
  readonly ranks: readonly RankFacts[];
  readonly agreements: readonly Agreement[];
  /** Time of the smallest all-reduce, in seconds. */
  readonly latency: number;
  readonly exchanges: readonly ExchangeSpeed[];
}

/** @param data folder of images that all ranks should have */
export async function diagnoseRanks(communicator: Communicator, data?: string): Promise<RankDiagnosis> {
  const ranks = await communicator.gather(await factsOf(communicator, data));
  const agreements: Agreement[] = [
    { what: 'version of verydeep', agreed: isSame(ranks, 'code'), needed: true },
    { what: 'MPI library', agreed: isSame(ranks, 'mpi'), needed: true },
    ...(data === undefined
      ? []
      : [{ what: `images in ${data}`, agreed: isSame(ranks, 'images'), needed: true }]),
    { what: 'Node', agreed: isSame(ranks, 'node'), needed: false },
    { what: 'backend', agreed: isSame(ranks, 'backend'), needed: false },
    { what: 'cores', agreed: isSame(ranks, 'cores'), needed: false },
  ];
  const latency = (await timeExchange(communicator, 1, 200)).seconds;
  const exchanges: ExchangeSpeed[] = [];
  for (const megabytes of [1, 16]) {
    exchanges.push(await timeExchange(communicator, (megabytes * 2 ** 20) / 4, 16));
  }
  return { ranks, agreements, latency, exchanges };
}

async function factsOf(communicator: Communicator, data: string | undefined): Promise<RankFacts> {
  return {
    name: communicator.nameOf(communicator.rank),
    node: process.versions.node,
    mpi: communicator.description,
    cores: availableCores(),
    backend: backendDescription(),
    code: codeFingerprint(),
    ...(data === undefined ? undefined : await imagesOf(data)),
  };
}

function backendDescription(): string {
  try {
    return createBackend('native').description;
  } catch (error) {
    return messageOf(error);
  }
}

async function imagesOf(data: string): Promise<Pick<RankFacts, 'images' | 'unused'>> {
  try {
    const source = await openImages(data, { split: 'train' });
    const images = `${source.length} images, ${listingOf(source).slice(0, 12)}`;
    return { images, unused: describeUnused(source.unused) };
  } catch (error) {
    return { images: messageOf(error) };
  }
}

function isSame(ranks: readonly RankFacts[], key: keyof RankFacts): boolean {
  return ranks.every((facts) => facts[key] === ranks[0]![key]);
}

async function timeExchange(
  communicator: Communicator,
  values: number,
  times: number,
): Promise<ExchangeSpeed> {
  const data = new Float32Array(values).fill(1);
  // The first all-reduce opens the connections.
  await communicator.allReduceSum(data);
  await communicator.barrier();
  const started = performance.now();
  for (let i = 0; i < times; i++) {
    data.fill(1);
    await communicator.allReduceSum(data);
  }
  const seconds = (performance.now() - started) / 1000 / times;
  const sent = ((2 * (communicator.size - 1)) / communicator.size) * data.byteLength;
  return { bytes: data.byteLength, seconds, gigabitsPerSecond: (sent * 8) / seconds / 1e9 };
}
