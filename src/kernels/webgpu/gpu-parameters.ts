/**
 * Parameters in the GPU's memory, in the layout of weight-panels.ts. Gradients and velocities have the same layout, so
 * an SGD step is one pass over memory and training never reorders. Reading and writing reorder on the GPU.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterField, ParameterOptions, Parameters, SgdStep } from '../backend.ts';
import {
  checkAlive,
  checkSgdStep,
  checkSpecs,
  checkTensorData,
  checkTraining,
  findSpec,
  trainedSpecs,
} from '../validate.ts';
import { readBack } from './buffers.ts';
import { encodePass, numbers, type Prepared } from './dispatch.ts';
import { type Gpu, groupsFor } from './gpu.ts';
import { GpuGradients } from './gpu-gradients.ts';
import { GradientPort } from './gradient-port.ts';
import type { ParameterPipelines } from './parameter-pipelines.ts';
import { isWeight, type Panel, type Piece, panelsFor, piecesOf } from './weight-panels.ts';

/** Largest number of bytes reordered at once. */
const PIECE = 64 * 2 ** 20;

interface StoredTensor {
  readonly spec: ParameterSpec;
  readonly panels: readonly Panel[];
}

/** The SGD step of one panel. */
interface Update extends Prepared {
  readonly role: ParameterSpec['role'];
  /** Factor on the learning rate. */
  readonly rate: number;
  readonly uniform: GPUBuffer;
  readonly vectors: number;
}

export class GpuParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly trained: readonly ParameterSpec[];
  readonly training: boolean;
  readonly gpu: Gpu;
  readonly #pipelines: ParameterPipelines;
  readonly #tensors: ReadonlyMap<string, StoredTensor>;
  readonly #updates: readonly Update[];
  /** Moves the gradients between the GPU and this process's memory. */
  readonly port: GradientPort;
  readonly gradientTransfer: GpuGradients;
  #disposed = false;
  /** Increases whenever values change, so that programs know when to transform weights again. */
  version = 0;

  /** @throws UserError when a tensor does not fit in a buffer. */
  constructor(
    gpu: Gpu,
    pipelines: ParameterPipelines,
    specs: readonly ParameterSpec[],
    options: ParameterOptions,
  ) {
    checkSpecs(specs);
    this.specs = specs;
    this.training = options.training;
    this.trained = trainedSpecs(specs, options);
    this.gpu = gpu;
    this.#pipelines = pipelines;
    this.#tensors = new Map(
      specs.map((spec) => [spec.name, { spec, panels: panelsFor(gpu, spec, this.trained.includes(spec)) }]),
    );
    this.#updates = this.#prepareUpdates(options.rates);
    this.port = new GradientPort(gpu, pipelines, this.trained, (name) => this.panelsOf(name));
    this.gradientTransfer = new GpuGradients([this.port], this.trained);
  }

  /** @throws Error after dispose */
  checkAlive(operation: string): void {
    checkAlive(operation, 'parameters', this.#disposed);
    this.gpu.checkThere();
  }

  /** Bytes of all buffers. */
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
    if (!isWeight(spec)) {
      const [panel] = this.panelsOf(name);
      data.set(new Float32Array(await readBack(this.gpu, panel!.buffers[field]!, data.byteLength)));
      return data;
    }
    // All pieces are submitted before the first is awaited, so that later calls cannot change them.
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
    if (!isWeight(spec)) {
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

  /** Copies the values of all tensors on the GPU. @param to parameters with the same specs, on the same device */
  copyValuesTo(to: GpuParameters): void {
    this.checkAlive('copyValuesTo');
    to.checkAlive('copyValuesTo');
    this.gpu.submit((encoder) => {
      for (const { name } of this.specs) {
        this.panelsOf(name).forEach(({ buffers, size }, index) => {
          const target = to.panelsOf(name)[index]!.buffers.values!;
          encoder.copyBufferToBuffer(buffers.values!, 0, target, 0, 16 * size);
        });
      }
    });
    to.version++;
  }

  async update(step: SgdStep): Promise<void> {
    this.checkAlive('update');
    checkSgdStep(step);
    checkTraining('update', this);
    this.version++;
    const momentum = { float: step.momentum };
    for (const { uniform, vectors, role, rate: factor } of this.#updates) {
      const rate = { float: factor * step.learningRate };
      const decay = { float: role === 'bias' ? step.biasDecay : step.weightDecay };
      this.gpu.device.queue.writeBuffer(uniform, 0, numbers(vectors, rate, momentum, decay));
    }
    this.gpu.submit((encoder) => encodePass(encoder, this.#updates, 1));
  }

  async zeroGradients(): Promise<void> {
    this.checkAlive('zeroGradients');
    checkTraining('zeroGradients', this);
    this.gpu.submit((encoder) => {
      for (const { name } of this.trained) {
        for (const { buffers } of this.panelsOf(name)) encoder.clearBuffer(buffers.gradients!);
      }
    });
  }

  /** Undefined: the values are in the GPU's memory. */
  place(): undefined {
    return undefined;
  }

  /** Filled by `gradientTransfer`. */
  gradientBlock(): Float32Array {
    this.checkAlive('gradientBlock');
    checkTraining('gradientBlock', this);
    return this.gradientTransfer.block;
  }

  dispose(): void {
    this.#disposed = true;
    this.port.dispose();
    for (const buffer of this.#buffers()) buffer.destroy();
    for (const { uniform } of this.#updates) uniform.destroy();
  }

  #buffers(): GPUBuffer[] {
    const panels = [...this.#tensors.values()].flatMap((tensor) => tensor.panels);
    return [...new Set(panels.flatMap(({ buffers, factors }) => [...Object.values(buffers), factors]))];
  }

  #prepareUpdates(rates: readonly number[] | undefined): Update[] {
    return this.trained.flatMap((spec) =>
      this.panelsOf(spec.name).map(({ buffers: { values, gradients, velocities }, size }) => {
        const rate = rates?.[this.specs.indexOf(spec)] ?? 1;
        const uniform = this.gpu.uniform(new ArrayBuffer(16));
        const bindings = [uniform, values!, gradients!, velocities!];
        const { role } = spec;
        return { role, rate, uniform, vectors: size, ...this.#prepared(this.#pipelines.sgd, bindings, size) };
      }),
    );
  }

  #pieces(spec: ParameterSpec): Piece[] {
    return piecesOf(spec, this.panelsOf(spec.name), Math.min(PIECE, this.gpu.limits.bindingBytes));
  }

  #reorder(pipeline: GPUComputePipeline, piece: Piece, canonical: GPUBuffer, field: ParameterField): void {
    const shape = this.gpu.uniform(numbers(...piece.shape));
    const bindings = [shape, canonical, piece.panel.buffers[field]!];
    const prepared = this.#prepared(pipeline, bindings, piece.count);
    this.gpu.submit((encoder) => encodePass(encoder, [prepared], 1));
    shape.destroy();
  }

  #prepared(pipeline: GPUComputePipeline, bindings: readonly GPUBuffer[], elements: number): Prepared {
    return { pipeline, group: this.gpu.bindGroup(pipeline, bindings), groups: () => groupsFor(elements) };
  }
}
