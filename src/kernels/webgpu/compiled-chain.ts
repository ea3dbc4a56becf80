/** Shared by all programs: a call writes its input, submits one command buffer, and reads back its results. */
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { StageTime } from '../backend.ts';
import { checkAlive } from '../validate.ts';
import { type Memory, mapped, Staging } from './buffers.ts';
import { type Call, callFields, type Dispatch, encodePass, numbers, type Prepared } from './dispatch.ts';
import { elementwise } from './forward.ts';
import type { Gpu } from './gpu.ts';
import { KernelClock } from './gpu-clock.ts';
import type { GpuParameters } from './gpu-parameters.ts';
import type { Context } from './program-context.ts';
import { TO_PLANES, toVectorsOf } from './shaders/layout-conversions.ts';
import { imageVectorsOf, pixelsOf, vectorsOf } from './stages.ts';

/** A tensor in canonical layout in the GPU's memory, of which a call reads back the values of its images. */
export interface Result {
  readonly planes: GPUBuffer;
  readonly shape: Shape4;
}

export interface ChainParts {
  /** The shapes of the input and of each layer's output, for a full batch. */
  readonly shapes: readonly Shape4[];
  readonly parameters: GpuParameters;
  readonly memory: Memory;
  /** The uniform buffer for the values that differ between calls. */
  readonly call: GPUBuffer;
}

export class CompiledGpuChain {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  protected readonly gpu: Gpu;
  readonly #parts: ChainParts;
  readonly #staging: Staging;
  #clock: KernelClock | undefined;
  #disposed = false;

  constructor(parts: ChainParts) {
    this.inputShape = parts.shapes[0]!;
    this.outputShape = parts.shapes.at(-1)!;
    this.gpu = parts.parameters.gpu;
    this.#parts = parts;
    this.#staging = new Staging(this.gpu);
  }

  get memoryBytes(): number {
    return this.#parts.memory.bytes;
  }

  /** Version of the parameter values. */
  protected get version(): number {
    return this.#parts.parameters.version;
  }

  protected checkAlive(operation: string): void {
    checkAlive(operation, 'program', this.#disposed);
    this.#parts.parameters.checkAlive(operation);
  }

  protected write(buffer: GPUBuffer, data: Float32Array | Uint32Array | Int32Array): void {
    this.gpu.device.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
  }

  /**
   * Submits all work before the first await, so that calls keep their order, then waits for the results.
   * @param afterPart called when a part of the work has been submitted; each then is one command buffer, unless stages
   *   are being timed
   */
  protected async run(
    call: Call,
    parts: readonly (readonly Prepared[])[],
    results: readonly Result[],
    afterPart?: (part: number) => unknown,
  ): Promise<Float32Array[]> {
    const { images } = call;
    this.gpu.device.queue.writeBuffer(this.#parts.call, 0, callFields(call));
    const staged = results.map(({ planes, shape }) => {
      const bytes = 4 * images * elementCount(shape.slice(1));
      return { planes, bytes, staging: this.#staging.take(4 * elementCount(shape)) };
    });
    const separate = afterPart && !this.#clock;
    for (const part of separate ? parts.slice(0, -1).keys() : []) {
      this.gpu.submit((encoder) => encodePass(encoder, parts[part]!, images));
      await afterPart?.(part);
    }
    const rest = separate ? parts.at(-1)! : parts.flat();
    this.gpu.submit((encoder) => {
      if (this.#clock) this.#clock.encode(encoder, rest, images);
      else encodePass(encoder, rest, images);
      for (const { planes, staging, bytes } of staged) {
        encoder.copyBufferToBuffer(planes, 0, staging, 0, bytes);
      }
    });
    const reported = this.#report(separate ? parts.length - 1 : 0, parts.length, afterPart);
    const read = Promise.all(
      staged.map(async ({ staging, bytes }) => {
        const values = new Float32Array(await mapped(this.gpu, staging, bytes));
        this.#staging.giveBack(staging);
        return values;
      }),
    );
    return (await Promise.all([read, reported]))[0];
  }

  /** Reports parts `[from, to)`, the first one immediately. */
  async #report(from: number, to: number, afterPart?: (part: number) => unknown): Promise<void> {
    for (let part = from; afterPart && part < to; part++) await afterPart(part);
  }

  /** Measures a call's stages with the GPU's clock. */
  async watch(call: () => Promise<unknown>): Promise<StageTime[]> {
    const clock = new KernelClock(this.gpu);
    this.#clock = clock;
    try {
      await call();
    } finally {
      this.#clock = undefined;
    }
    return clock.read();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#parts.memory.free();
    this.#staging.close();
  }
}

/** @param scale factor from values in the planes to stored values: `activationScale` or `lossScale` */
export function toVectors(
  context: Context,
  shape: Shape4,
  planes: GPUBuffer,
  vectors: GPUBuffer,
  scale: number,
  kind: 'layer' | 'gradient' = 'layer',
): Dispatch {
  const fields = planesShape(shape, scale);
  return elementwise(context, toVectorsOf(kind), fields, [planes, vectors], imageVectorsOf(shape));
}

/** @param scale as for `toVectors` */
export function toPlanes(
  context: Context,
  shape: Shape4,
  vectors: GPUBuffer,
  planes: GPUBuffer,
  scale: number,
): Dispatch {
  const fields = planesShape(shape, 1 / scale);
  return elementwise(context, TO_PLANES, fields, [vectors, planes], pixelsOf(shape) * shape[1]);
}

function planesShape(shape: Shape4, scale: number): ArrayBuffer {
  return numbers(shape[1], pixelsOf(shape), vectorsOf(shape), { float: scale });
}
