/**
 * Moves gradients of one GPU between its memory and a block in this process's memory, in which they have the order of
 * the specs and canonical layout. With bf16, half as many bytes cross the bus.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import { mappedRange, Staging } from './buffers.ts';
import { encodePass, numbers } from './dispatch.ts';
import { GPU_USAGE, type Gpu, groupsFor } from './gpu.ts';
import type { ParameterPipelines } from './parameter-pipelines.ts';
import { isWeight, type Panel, piecesOf } from './weight-panels.ts';

/** Values `[at, at + count)` of the block that have arrived. */
export interface FetchedPiece {
  readonly at: number;
  /** Of type Uint16Array: bf16. Valid until `release`. */
  readonly values: Float32Array | Uint16Array;
  release(): void;
}

/** The part of a tensor within a range of the block: values `[begin, end)` of the tensor, `at` in the block. */
interface Part {
  readonly spec: ParameterSpec;
  readonly at: number;
  readonly begin: number;
  readonly end: number;
}

/** Values on their way. */
export interface Fetch {
  /** When the GPU had done everything submitted earlier, as `performance.now` gives it. */
  readonly ready: Promise<number>;
  readonly pieces: Promise<FetchedPiece[]>;
}

export class GradientPort {
  readonly #gpu: Gpu;
  readonly #pipelines: ParameterPipelines;
  readonly #trained: readonly ParameterSpec[];
  readonly #panelsOf: (name: string) => readonly Panel[];
  readonly #mapped: Staging;
  readonly #canonical: Staging;

  constructor(
    gpu: Gpu,
    pipelines: ParameterPipelines,
    trained: readonly ParameterSpec[],
    panelsOf: (name: string) => readonly Panel[],
  ) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    this.#trained = trained;
    this.#panelsOf = panelsOf;
    this.#mapped = new Staging(gpu);
    const { STORAGE, COPY_SRC, COPY_DST } = GPU_USAGE;
    this.#canonical = new Staging(gpu, STORAGE | COPY_SRC | COPY_DST);
  }

  /**
   * Copies gradients out of the GPU as they are once everything submitted earlier has run: it submits the copies at
   * once, and later calls cannot change them.
   */
  fetch(begin: number, end: number, bf16: boolean): Fetch {
    // Before the copies are submitted, as those are part of the exchange.
    const done = this.#gpu.device.queue.onSubmittedWorkDone();
    const ready = done.then(() => performance.now());
    const pieces = this.#partsOf(begin, end).flatMap((part) =>
      isWeight(part.spec) ? this.#fetchWeights(part, bf16) : [this.#fetchOther(part)],
    );
    return { ready, pieces: Promise.all(pieces) };
  }

  /** Replaces gradients by those of a block, in the order of calls. */
  store(begin: number, end: number, block: Float32Array, bf16: boolean): void {
    for (const part of this.#partsOf(begin, end)) {
      if (isWeight(part.spec)) this.#storeWeights(part, block, bf16);
      else {
        const { at, begin, end } = part;
        const [panel] = this.#panelsOf(part.spec.name);
        const values = block.subarray(at, at + end - begin) as GPUAllowSharedBufferSource;
        this.#gpu.device.queue.writeBuffer(panel!.buffers.gradients!, 4 * begin, values);
      }
    }
  }

  dispose(): void {
    this.#mapped.close();
    this.#canonical.close();
  }

  #fetchWeights({ spec, at, begin, end }: Part, bf16: boolean): Promise<FetchedPiece>[] {
    const pipeline = bf16 ? this.#pipelines.unpackBf16 : this.#pipelines.unpack;
    return this.#piecesOf(spec, begin, end).map((piece) => {
      const bytes = (bf16 ? 2 : 4) * piece.count;
      const canonical = this.#canonical.take(bytes);
      this.#reorder(pipeline, piece, canonical);
      const copied = this.#copied(canonical, 0, bytes, at + piece.start - begin, bf16);
      this.#canonical.giveBack(canonical);
      return copied;
    });
  }

  #fetchOther({ spec, at, begin, end }: Part): Promise<FetchedPiece> {
    const [panel] = this.#panelsOf(spec.name);
    return this.#copied(panel!.buffers.gradients!, 4 * begin, 4 * (end - begin), at, false);
  }

  async #copied(
    source: GPUBuffer,
    offset: number,
    bytes: number,
    at: number,
    bf16: boolean,
  ): Promise<FetchedPiece> {
    const staging = this.#mapped.take(bytes);
    this.#gpu.submit((encoder) => encoder.copyBufferToBuffer(source, offset, staging, 0, staging.size));
    const range = await mappedRange(this.#gpu, staging);
    return {
      at,
      values: bf16 ? new Uint16Array(range, 0, bytes / 2) : new Float32Array(range, 0, bytes / 4),
      release: () => {
        staging.unmap();
        this.#mapped.giveBack(staging);
      },
    };
  }

  #storeWeights({ spec, at, begin, end }: Part, block: Float32Array, bf16: boolean): void {
    const pipeline = bf16 ? this.#pipelines.packBf16 : this.#pipelines.pack;
    for (const piece of this.#piecesOf(spec, begin, end)) {
      const from = at + piece.start - begin;
      const values = block.subarray(from, from + piece.count);
      const source = bf16 ? evenBf16(values) : values;
      const canonical = this.#canonical.take(source.byteLength);
      this.#gpu.device.queue.writeBuffer(canonical, 0, source as GPUAllowSharedBufferSource);
      this.#reorder(pipeline, piece, canonical);
      this.#canonical.giveBack(canonical);
    }
  }

  #piecesOf(spec: ParameterSpec, begin: number, end: number) {
    return piecesOf(spec, this.#panelsOf(spec.name), this.#gpu.limits.bindingBytes, [begin, end]);
  }

  #reorder(
    pipeline: GPUComputePipeline,
    { panel, shape, count }: ReturnType<typeof piecesOf>[number],
    canonical: GPUBuffer,
  ): void {
    const fields = this.#gpu.uniform(numbers(...shape));
    const group = this.#gpu.bindGroup(pipeline, [fields, canonical, panel.buffers.gradients!]);
    this.#gpu.submit((encoder) =>
      encodePass(encoder, [{ pipeline, group, groups: () => groupsFor(count) }], 1),
    );
    fields.destroy();
  }

  #partsOf(begin: number, end: number): Part[] {
    let offset = 0;
    return this.#trained.flatMap((spec) => {
      const start = offset;
      offset += elementCount(spec.shape);
      const [from, to] = [Math.max(begin, start), Math.min(end, offset)];
      return from < to ? [{ spec, at: from, begin: from - start, end: to - start }] : [];
    });
  }
}

/** The nearest bf16 of each value, and a zero more if their number is odd: buffers are written in words of 32 bits. */
function evenBf16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const short = new Uint16Array(Math.ceil(values.length / 2) * 2);
  for (let i = 0; i < bits.length; i++) short[i] = shortened(bits[i]!);
  return short;
}

/** The upper half of a float32, rounded to the nearest, ties to even. */
function shortened(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Rounds values to bf16 in place. */
export function roundToBf16(values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = shortened(bits[i]!) << 16;
}
