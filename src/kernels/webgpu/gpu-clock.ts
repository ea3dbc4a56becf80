/// <reference types="@webgpu/types" />
/** Times kernels with the GPU's clock where it has one, otherwise from submission until they are done. */
import type { Pass, StageTime } from '../backend.ts';
import { readBack } from './buffers.ts';
import { type Dispatch, encodePass, type Prepared } from './dispatch.ts';
import { GPU_USAGE, type Gpu } from './gpu.ts';

/** WebGPU's largest query set has 4096 timestamps, two for each stage. */
const MOST_STAGES = 2048;

export function hasClock({ device }: Gpu): boolean {
  return device.features.has('timestamp-query');
}

/** Pairs of timestamps, each around one compute pass. */
class TimeStamps {
  readonly #gpu: Gpu;
  readonly #pairs: number;
  readonly #queries: GPUQuerySet;
  readonly #ticks: GPUBuffer;

  constructor(gpu: Gpu, pairs: number) {
    this.#gpu = gpu;
    this.#pairs = pairs;
    this.#queries = gpu.device.createQuerySet({ type: 'timestamp', count: Math.max(2 * pairs, 2) });
    const usage = GPU_USAGE.QUERY_RESOLVE | GPU_USAGE.COPY_SRC;
    this.#ticks = gpu.device.createBuffer({ size: Math.max(16 * pairs, 16), usage });
  }

  /** Makes a pass write the timestamps of a pair. */
  around(pair: number): GPUComputePassDescriptor {
    const begin = 2 * pair;
    const timestampWrites = {
      querySet: this.#queries,
      beginningOfPassWriteIndex: begin,
      endOfPassWriteIndex: begin + 1,
    };
    return { timestampWrites };
  }

  resolve(encoder: GPUCommandEncoder): void {
    encoder.resolveQuerySet(this.#queries, 0, 2 * this.#pairs, this.#ticks, 0);
  }

  /** Returns the seconds between the two timestamps of each pair. @throws UserError when the device is lost meanwhile */
  async read(): Promise<number[]> {
    const stamps = new BigUint64Array(await readBack(this.#gpu, this.#ticks, 16 * this.#pairs));
    // Timestamps are in nanoseconds. WebGPU allows a device to set its clock back in between.
    return Array.from({ length: this.#pairs }, (_, pair) =>
      Math.max(0, Number(stamps[2 * pair + 1]! - stamps[2 * pair]!) / 1e9),
    );
  }

  dispose(): void {
    this.#queries.destroy();
    this.#ticks.destroy();
  }
}

/** Times kernels outside of a program. */
export class Stopwatch {
  readonly #gpu: Gpu;
  readonly #stamps: TimeStamps | undefined;

  /** @param useTimestamps default: true if the device has timestamps */
  constructor(gpu: Gpu, useTimestamps: boolean = hasClock(gpu)) {
    this.#gpu = gpu;
    if (useTimestamps) this.#stamps = new TimeStamps(gpu, 1);
  }

  /** Returns the seconds per repetition. */
  async seconds(prepared: readonly Prepared[], images: number, repetitions: number): Promise<number> {
    const repeated = Array.from({ length: repetitions }, () => prepared).flat();
    let start = 0;
    this.#gpu.submit((encoder) => {
      encodePass(encoder, repeated, images, this.#stamps?.around(0));
      this.#stamps?.resolve(encoder);
      start = performance.now();
    });
    if (this.#stamps) return (await this.#stamps.read())[0]! / repetitions;
    await this.#gpu.device.queue.onSubmittedWorkDone();
    return (performance.now() - start) / 1000 / repetitions;
  }

  dispose(): void {
    this.#stamps?.dispose();
  }
}

/** Marks dispatches as part of a layer's pass. @param layer index in the chain */
export function workOf(layer: number, pass: Pass, dispatches: readonly Dispatch[]): Dispatch[] {
  return dispatches.map((dispatch) => ({ ...dispatch, work: { layer, pass } }));
}

/** Consecutive dispatches that belong to the same stage, or to none. */
interface StagePiece {
  readonly prepared: Prepared[];
  readonly work: Prepared['work'];
}

/** Times the stages of one call. Each stage runs in a separate compute pass between two timestamps. */
export class KernelClock {
  readonly #gpu: Gpu;
  #stages: readonly StagePiece[] = [];
  #stamps: TimeStamps | undefined;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  encode(encoder: GPUCommandEncoder, prepared: readonly Prepared[], images: number): void {
    const pieces = stagePiecesOf(prepared);
    this.#stages = pieces.filter(({ work }) => work !== undefined);
    const count = this.#stages.length;
    if (count > MOST_STAGES) throw new RangeError(`${count} stages are more than can be timed at once`);
    this.#stamps?.dispose();
    const stamps = new TimeStamps(this.#gpu, count);
    this.#stamps = stamps;
    let stage = 0;
    for (const piece of pieces) {
      encodePass(encoder, piece.prepared, images, piece.work && stamps.around(stage++));
    }
    stamps.resolve(encoder);
  }

  /** @throws UserError when the device is lost meanwhile */
  async read(): Promise<StageTime[]> {
    if (!this.#stamps) return [];
    const times = await this.#stamps.read();
    this.#stamps.dispose();
    this.#stamps = undefined;
    return this.#stages.map(({ prepared, work }, stage) => ({
      ...work!,
      algorithm: prepared.find(({ algorithm }) => algorithm !== undefined)?.algorithm ?? 'shader',
      seconds: times[stage]!,
    }));
  }
}

function stagePiecesOf(prepared: readonly Prepared[]): StagePiece[] {
  const pieces: StagePiece[] = [];
  for (const one of prepared) {
    const { work } = one;
    const last = pieces.at(-1);
    if (last && last.work?.layer === work?.layer && last.work?.pass === work?.pass) last.prepared.push(one);
    else pieces.push({ prepared: [one], work });
  }
  return pieces;
}
