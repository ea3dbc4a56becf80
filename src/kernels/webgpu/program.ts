/** A compiled chain: one call writes its input, submits one command buffer, and reads its result back. */
import { UserError } from '../../core/errors.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { Program } from '../backend.ts';
import type { StageTime } from '../instruments.ts';
import { checkAlive, checkImages } from '../validate.ts';
import { chooseKernels } from './choose-kernels.ts';
import { GPU_USAGE, type Gpu } from './device.ts';
import {
  type Call,
  callFields,
  type Dispatch,
  encode,
  numbers,
  type Prepared,
  perImage,
  prepare,
} from './dispatch.ts';
import { type Context, forwardDispatches, partsFor } from './forward.ts';
import { KernelClock, workOf } from './kernel-clock.ts';
import { Memory } from './memory.ts';
import type { GpuParameters } from './parameters.ts';
import { mapped } from './read-back.ts';
import { F16_LARGEST } from './shaders/storage.ts';
import { TO_PLANES, toVectorsOf } from './shaders/tensors.ts';
import { paddedCount, pixelsOf, stagesOf, vectorsOf } from './stages.ts';
import { pointBuffers } from './winograd.ts';

/** Buffers that results are read from: taken for a call, given back when it has its result. */
class Staging {
  readonly #gpu: Gpu;
  readonly #free = new Map<number, GPUBuffer[]>();
  #closed = false;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  take(bytes: number): GPUBuffer {
    const free = this.#free.get(bytes)?.pop();
    return (
      free ?? this.#gpu.device.createBuffer({ size: bytes, usage: GPU_USAGE.MAP_READ | GPU_USAGE.COPY_DST })
    );
  }

  giveBack(buffer: GPUBuffer): void {
    if (this.#closed) {
      buffer.destroy();
      return;
    }
    const free = this.#free.get(buffer.size);
    if (free) free.push(buffer);
    else this.#free.set(buffer.size, [buffer]);
  }

  close(): void {
    this.#closed = true;
    for (const buffer of [...this.#free.values()].flat()) buffer.destroy();
  }
}

/** A tensor in canonical layout in the GPU's memory, of which a call reads so many images. */
export interface Result {
  readonly planes: GPUBuffer;
  readonly shape: Shape4;
}

/** What programs of both kinds share. */
export class CompiledChain {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  readonly gpu: Gpu;
  readonly #parameters: GpuParameters;
  readonly #memory: Memory;
  readonly #call: GPUBuffer;
  readonly #staging: Staging;
  #clock: KernelClock | undefined;
  #disposed = false;

  constructor(shapes: readonly Shape4[], parameters: GpuParameters, memory: Memory, call: GPUBuffer) {
    this.inputShape = shapes[0]!;
    this.outputShape = shapes.at(-1)!;
    this.gpu = parameters.gpu;
    this.#parameters = parameters;
    this.#memory = memory;
    this.#call = call;
    this.#staging = new Staging(this.gpu);
  }

  get memoryBytes(): number {
    return this.#memory.bytes;
  }

  /** Of the parameters' values. */
  get version(): number {
    return this.#parameters.version;
  }

  checkAlive(operation: string): void {
    checkAlive(operation, 'program', this.#disposed);
    this.#parameters.checkAlive(operation);
  }

  write(buffer: GPUBuffer, data: Float32Array | Uint32Array | Int32Array): void {
    this.gpu.device.queue.writeBuffer(buffer, 0, data as GPUAllowSharedBufferSource);
  }

  /** Submits everything at once, so that calls keep the order they were made in, and waits for the results only. */
  async run(
    call: Call,
    prepared: readonly (readonly Prepared[])[],
    results: readonly Result[],
  ): Promise<Float32Array[]> {
    const { device } = this.gpu;
    device.queue.writeBuffer(this.#call, 0, callFields(call));
    const encoder = device.createCommandEncoder();
    const { images } = call;
    this.#encode(encoder, prepared.flat(), images);
    const staged = results.map(({ planes, shape }) => {
      const staging = this.#staging.take(4 * elementCount(shape));
      const bytes = 4 * images * elementCount(shape.slice(1));
      encoder.copyBufferToBuffer(planes, 0, staging, 0, bytes);
      return { staging, bytes };
    });
    device.queue.submit([encoder.finish()]);
    return Promise.all(
      staged.map(async ({ staging, bytes }) => {
        const values = new Float32Array(await mapped(this.gpu, staging, bytes));
        this.#staging.giveBack(staging);
        return values;
      }),
    );
  }

  /** What a call goes into, by the GPU's clock. */
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

  #encode(encoder: GPUCommandEncoder, prepared: readonly Prepared[], images: number): void {
    if (this.#clock) {
      this.#clock.encode(encoder, prepared, images);
      return;
    }
    const pass = encoder.beginComputePass();
    encode(pass, prepared, images);
    pass.end();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#memory.free();
    this.#staging.close();
  }
}

interface InferenceParts {
  readonly input: GPUBuffer;
  readonly output: GPUBuffer;
  /** What is done when there are new weights, and what with all images. */
  readonly ofWeights: readonly Prepared[];
  readonly ofImages: readonly Prepared[];
}

export class GpuProgram implements Program {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  readonly memoryBytes: number;
  readonly #chain: CompiledChain;
  readonly #parts: InferenceParts;
  /** Of the parameters, when their weights were transformed. */
  #version: number | undefined;

  constructor(chain: CompiledChain, parts: InferenceParts) {
    this.inputShape = chain.inputShape;
    this.outputShape = chain.outputShape;
    this.memoryBytes = chain.memoryBytes;
    this.#chain = chain;
    this.#parts = parts;
  }

  async forward(input: Float32Array): Promise<Float32Array> {
    this.#chain.checkAlive('forward');
    const images = checkImages('forward', this.inputShape, input);
    const { ofWeights, ofImages, ...parts } = this.#parts;
    const { version } = this.#chain;
    const prepared = version === this.#version ? [ofImages] : [ofWeights, ofImages];
    this.#version = version;
    this.#chain.write(parts.input, input);
    const result = { planes: parts.output, shape: this.outputShape };
    const [output] = await this.#chain.run({ images }, prepared, [result]);
    checkRange(this.#chain.gpu, input, output!);
    return output!;
  }

  watch(call: () => Promise<unknown>): Promise<StageTime[]> {
    return this.#chain.watch(call);
  }

  dispose(): void {
    this.#chain.dispose();
  }
}

/** @param shapes along the layers, for a full batch */
export async function compileInference(
  parameters: GpuParameters,
  layers: Parameters<typeof stagesOf>[0],
  shapes: readonly Shape4[],
): Promise<GpuProgram> {
  const { gpu } = parameters;
  const memory = new Memory(gpu);
  const stages = stagesOf(layers, shapes, false);
  const choose = await chooseKernels(parameters, stages, ['forward']);
  const { activationScale } = gpu.kept;
  const { busy } = gpu.tiles;
  const plan = () => {
    const call = memory.uniform(new ArrayBuffer(16));
    const uniform = (bytes: ArrayBuffer) => memory.uniform(bytes);
    const context: Context = {
      parameters,
      choose,
      points: pointBuffers(memory, { choose, busy }, stages, ['forward'], true),
      parts: partsFor(memory, choose, stages, ['forward']),
      busy,
      subgroups: gpu.subgroups,
      call,
      keys: undefined,
      uniform,
    };
    const [inputShape, outputShape] = [shapes[0]!, shapes.at(-1)!];
    const input = memory.storage('the input', elementCount(inputShape));
    const output = memory.storage('the output', elementCount(outputShape));
    // A tensor lives until the next one is made: two buffers serve them all in turn.
    const counts = [inputShape, ...stages.map((stage) => stage.output)].map(paddedCount);
    const buffers = [0, 1].map((turn) =>
      memory.layers('a layer of the network', Math.max(...counts.filter((_, at) => at % 2 === turn), 4)),
    );
    const dispatches = [
      toVectors(context, inputShape, input, buffers[0]!, activationScale),
      ...stages.flatMap((stage, at) =>
        workOf(
          stage.layer,
          'forward',
          forwardDispatches(context, stage, buffers[at % 2]!, buffers[(at + 1) % 2]!),
        ),
      ),
      toPlanes(context, outputShape, buffers[stages.length % 2]!, output, activationScale),
    ];
    return { call, input, output, dispatches };
  };
  try {
    const { call, input, output, dispatches } = await gpu.allocating('compile', plan);
    const chain = new CompiledChain(shapes, parameters, memory, call);
    const ofWeights = await prepare(
      gpu,
      dispatches.filter((dispatch) => dispatch.ofWeights),
    );
    const ofImages = await prepare(
      gpu,
      dispatches.filter((dispatch) => !dispatch.ofWeights),
    );
    return new GpuProgram(chain, { input, output, ofWeights, ofImages });
  } catch (error) {
    memory.free();
    throw error;
  }
}

/** @param scale of what is kept, to what stands in the planes: Storage's of layers or of gradients */
export function toVectors(
  context: Context,
  shape: Shape4,
  planes: GPUBuffer,
  vectors: GPUBuffer,
  scale: number,
  kind: 'layer' | 'gradient' = 'layer',
): Dispatch {
  return {
    code: toVectorsOf(kind),
    bindings: [context.call, context.uniform(planesShape(shape, scale)), planes, vectors],
    groups: perImage(pixelsOf(shape) * vectorsOf(shape)),
  };
}

/** @param scale as for `toVectors` */
export function toPlanes(
  context: Context,
  shape: Shape4,
  vectors: GPUBuffer,
  planes: GPUBuffer,
  scale: number,
): Dispatch {
  return {
    code: TO_PLANES,
    bindings: [context.call, context.uniform(planesShape(shape, 1 / scale)), vectors, planes],
    groups: perImage(pixelsOf(shape) * shape[1]),
  };
}

function planesShape(shape: Shape4, scale: number): ArrayBuffer {
  return numbers(shape[1], pixelsOf(shape), vectorsOf(shape), { float: scale });
}

/** @throws UserError where a finite input has no finite output because f16 does not hold what is between. */
function checkRange({ precision, kept }: Gpu, input: Float32Array, output: Float32Array): void {
  if (precision === 'fp32' || output.every(Number.isFinite) || !input.every(Number.isFinite)) return;
  const largest = (F16_LARGEST / kept.activationScale).toLocaleString('en-US');
  throw new UserError(
    `precision f16 holds values of layers up to ${largest}, and this network makes larger ones of this image: leave --precision at fp32`,
  );
}
