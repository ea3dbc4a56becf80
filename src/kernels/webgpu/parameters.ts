/**
 * Parameters in the GPU's memory, in the layout that the kernels multiply: weights `[k, k, in, out]`, both channels
 * filled up with zeros to vectors of four, which stay zero. Gradients and velocities lie alike, so that a step is
 * one pass over memory and nothing is reordered in training; reading and writing reorder on the GPU.
 *
 * A weight that is larger than the device can bind (fc6 has 411 MB) stands in several panels of output channels.
 */
import { UserError } from '../../core/errors.ts';
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterField, Parameters, SgdStep } from '../backend.ts';
import { checkAlive, checkSgdStep, checkSpecs, checkTensorData, findSpec } from '../validate.ts';
import { type Binding, type Gpu, groupsFor } from './device.ts';
import { readBack } from './read-back.ts';
import { PACK_WEIGHTS, SGD, UNPACK_WEIGHTS } from './shaders/tensors.ts';

/** Reordering goes piece by piece, none larger than this, in bytes. */
const PIECE = 64 * 2 ** 20;

/** Output channels of a weight, or all of another tensor. */
export interface Panel {
  /** Vectors of four output channels, and which of the tensor's is the first. */
  readonly vectors: number;
  readonly first: number;
  readonly buffers: Readonly<Partial<Record<ParameterField, GPUBuffer>>>;
  /** What direct products multiply: the values, or in f16 a copy of them, which `toFactors` makes. */
  readonly factors: GPUBuffer;
  /** Of each buffer, in vectors of four. */
  readonly size: number;
}

interface StoredTensor {
  readonly spec: ParameterSpec;
  readonly panels: readonly Panel[];
}

/** The pipelines that parameters need at once, since their calls must keep their order. */
export interface ParameterPipelines {
  readonly pack: GPUComputePipeline;
  readonly unpack: GPUComputePipeline;
  readonly sgd: GPUComputePipeline;
}

export async function compileParameterPipelines(gpu: Gpu): Promise<ParameterPipelines> {
  const [pack, unpack, sgd] = await Promise.all(
    [PACK_WEIGHTS, UNPACK_WEIGHTS, SGD].map((code) => gpu.pipeline(code)),
  );
  return { pack: pack!, unpack: unpack!, sgd: sgd! };
}

export class GpuParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly training: boolean;
  readonly gpu: Gpu;
  readonly #pipelines: ParameterPipelines;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #updates: readonly Update[];
  #disposed = false;
  /** Rises whenever values change, for those who keep something made of them. */
  version = 0;

  /** @throws UserError for a tensor that no buffer holds. */
  constructor(gpu: Gpu, pipelines: ParameterPipelines, specs: readonly ParameterSpec[], training: boolean) {
    checkSpecs(specs);
    this.specs = specs;
    this.training = training;
    this.gpu = gpu;
    this.#pipelines = pipelines;
    this.#tensors = new Map(
      specs.map((spec) => [spec.name, { spec, panels: panelsFor(gpu, spec, training) }]),
    );
    this.#updates = training ? this.#prepareUpdates() : [];
  }

  /** @throws Error after dispose */
  checkAlive(operation: string): void {
    checkAlive(operation, 'parameters', this.#disposed);
    this.gpu.checkThere();
  }

  /** Of all buffers. */
  get bytes(): number {
    return this.#buffers().reduce((sum, { size }) => sum + size, 0);
  }

  panelsOf(name: string): readonly Panel[] {
    return this.#tensors.get(name)!.panels;
  }

  async read(field: ParameterField, name: string): Promise<Float32Array> {
    this.checkAlive('read');
    const spec = findSpec('read', this, field, name);
    const data = new Float32Array(elementCount(spec.shape));
    if (spec.shape.length !== 4) {
      const [panel] = this.panelsOf(name);
      data.set(new Float32Array(await readBack(this.gpu, panel!.buffers[field]!, data.byteLength)));
      return data;
    }
    // All pieces are under way before the first is waited for: what is called after this changes none of them.
    const pieces = this.#pieces(spec).map(async (piece) => {
      const canonical = this.gpu.storage(name, piece.count);
      this.#reorder(this.#pipelines.unpack, piece, canonical, field);
      const bytes = await readBack(this.gpu, canonical, 4 * piece.count);
      canonical.destroy();
      data.set(new Float32Array(bytes), piece.start);
    });
    await Promise.all(pieces);
    return data;
  }

  async write(field: ParameterField, name: string, data: Float32Array): Promise<void> {
    this.checkAlive('write');
    const spec = findSpec('write', this, field, name);
    checkTensorData('write', spec, data);
    if (field === 'values') this.version++;
    const { queue } = this.gpu.device;
    if (spec.shape.length !== 4) {
      queue.writeBuffer(this.panelsOf(name)[0]!.buffers[field]!, 0, data as GPUAllowSharedBufferSource);
    } else {
      for (const piece of this.#pieces(spec)) {
        const canonical = this.gpu.storage(name, piece.count);
        queue.writeBuffer(canonical, 0, data as GPUAllowSharedBufferSource, piece.start, piece.count);
        this.#reorder(this.#pipelines.pack, piece, canonical, field);
        canonical.destroy();
      }
    }
    await queue.onSubmittedWorkDone();
  }

  async update(step: SgdStep): Promise<void> {
    this.checkAlive('update');
    checkSgdStep(step);
    this.#checkTraining('update');
    this.version++;
    const { device } = this.gpu;
    for (const { uniform, vectors, role } of this.#updates) {
      const decay = role === 'bias' ? step.biasDecay : step.weightDecay;
      const numbers = new Float32Array([0, step.learningRate, step.momentum, decay]);
      new Uint32Array(numbers.buffer)[0] = vectors;
      device.queue.writeBuffer(uniform, 0, numbers);
    }
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipelines.sgd);
    for (const { group, vectors } of this.#updates) {
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...groupsFor(vectors));
    }
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  async zeroGradients(): Promise<void> {
    this.checkAlive('zeroGradients');
    this.#checkTraining('zeroGradients');
    const encoder = this.gpu.device.createCommandEncoder();
    for (const { panels } of this.#tensors.values()) {
      for (const { buffers } of panels) encoder.clearBuffer(buffers.gradients!);
    }
    this.gpu.device.queue.submit([encoder.finish()]);
  }

  /** The values are in the GPU's memory. */
  place(): undefined {
    return undefined;
  }

  gradientBlock(): Float32Array {
    throw new UserError(
      'gradients on a GPU cannot be exchanged between ranks yet: train over ranks with --backend native, or on one machine',
    );
  }

  dispose(): void {
    this.#disposed = true;
    for (const buffer of this.#buffers()) buffer.destroy();
    for (const { uniform } of this.#updates) uniform.destroy();
  }

  #buffers(): GPUBuffer[] {
    const panels = [...this.#tensors.values()].flatMap((tensor) => tensor.panels);
    return [...new Set(panels.flatMap(({ buffers, factors }) => [...Object.values(buffers), factors]))];
  }

  #prepareUpdates(): Update[] {
    return [...this.#tensors.values()].flatMap(({ spec, panels }) =>
      panels.map(({ buffers, size }) => {
        const uniform = this.gpu.uniform(new ArrayBuffer(16));
        const fields: Binding[] = [uniform, buffers.values!, buffers.gradients!, buffers.velocities!];
        return {
          role: spec.role,
          uniform,
          vectors: size,
          group: this.gpu.bindGroup(this.#pipelines.sgd, fields),
        };
      }),
    );
  }

  /** Cuts a weight's output channels so that a piece lies in one panel and in one buffer. */
  #pieces(spec: ParameterSpec): Piece[] {
    const [outChannels, inChannels, ...kernel] = spec.shape as [number, number, number, number];
    const taps = elementCount(kernel);
    const each = inChannels * taps;
    const largest = Math.max(1, Math.floor(Math.min(PIECE, this.gpu.limits.bindingBytes) / (4 * each)));
    return this.panelsOf(spec.name).flatMap((panel) => {
      const end = Math.min(4 * (panel.first + panel.vectors), outChannels);
      const pieces: Piece[] = [];
      for (let first = 4 * panel.first; first < end; first += largest) {
        const channels = Math.min(largest, end - first);
        const inVectors = Math.ceil(inChannels / 4);
        const shape = [inChannels, taps, inVectors, panel.vectors, first - 4 * panel.first, channels];
        pieces.push({ panel, shape, start: first * each, count: channels * each });
      }
      return pieces;
    });
  }

  #reorder(pipeline: GPUComputePipeline, piece: Piece, canonical: GPUBuffer, field: ParameterField): void {
    const { device } = this.gpu;
    const shape = this.gpu.uniform(Uint32Array.from(piece.shape).buffer);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, this.gpu.bindGroup(pipeline, [shape, canonical, piece.panel.buffers[field]!]));
    pass.dispatchWorkgroups(...groupsFor(piece.count));
    pass.end();
    device.queue.submit([encoder.finish()]);
    shape.destroy();
  }

  #checkTraining(operation: string): void {
    if (this.training) return;
    throw new RangeError(
      `${operation}: these parameters have no gradients; create them with { training: true }`,
    );
  }
}

interface Update {
  readonly role: ParameterSpec['role'];
  readonly uniform: GPUBuffer;
  readonly vectors: number;
  readonly group: GPUBindGroup;
}

/** Output channels of a canonical weight: which values, and where they go. */
interface Piece {
  readonly panel: Panel;
  /** What the shaders call Shape. */
  readonly shape: readonly number[];
  readonly start: number;
  readonly count: number;
}

function panelsFor(gpu: Gpu, spec: ParameterSpec, training: boolean): Panel[] {
  const fields: ParameterField[] = training ? ['values', 'gradients', 'velocities'] : ['values'];
  const panel = (first: number, vectors: number, size: number): Panel => {
    const buffers: Panel['buffers'] = Object.fromEntries(
      fields.map((field) => [field, gpu.storage(spec.name, 4 * size)]),
    );
    const copied = gpu.precision === 'f16' && spec.shape.length === 4;
    const factors = copied ? gpu.storage(spec.name, size * gpu.kept.bytes) : buffers.values!;
    return { first, vectors, size, buffers, factors };
  };
  if (spec.shape.length !== 4) {
    const vectors = Math.ceil(elementCount(spec.shape) / 4);
    return [panel(0, vectors, vectors)];
  }
  const [outChannels, inChannels, ...kernel] = spec.shape as [number, number, number, number];
  const rows = 4 * Math.ceil(inChannels / 4) * elementCount(kernel);
  const all = Math.ceil(outChannels / 4);
  const fitting = Math.max(1, Math.floor(gpu.limits.bindingBytes / (16 * rows)));
  const count = Math.ceil(all / fitting);
  const each = Math.ceil(all / count);
  return Array.from({ length: count }, (_, index) => {
    const vectors = Math.min(each, all - index * each);
    return panel(index * each, vectors, rows * vectors);
  }).filter(({ vectors }) => vectors > 0);
}
