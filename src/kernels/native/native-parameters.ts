import { UserError } from '../../core/errors.ts';
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterField, ParameterOptions, Parameters, SgdStep } from '../backend.ts';
import { viewsOf } from '../canonical-parameters.ts';
import {
  checkAlive,
  checkPart,
  checkSgdStep,
  checkSpecs,
  checkTensorData,
  checkTraining,
  findSpec,
  trainedSpecs,
} from '../validate.ts';
import type { Addon, EngineHandle, ParametersHandle } from './addon.ts';
import { explained, settled } from './settled.ts';

const FIELDS: Readonly<Record<ParameterField, number>> = { values: 0, gradients: 1, velocities: 2 };

/** The index of each tensor in `specs`, by name. */
export function numbersOf(specs: readonly ParameterSpec[]): Map<string, number> {
  return new Map(specs.map(({ name }, number) => [name, number]));
}

/** Parameters in native memory, one block for each field, read and written on the engine's thread. */
export class NativeParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly trained: readonly ParameterSpec[];
  readonly training: boolean;
  readonly engine: EngineHandle;
  readonly numbers: ReadonlyMap<string, number>;
  readonly writePart?: Parameters['writePart'];
  readonly #addon: Addon;
  #handle: ParametersHandle | undefined;
  #views: ReadonlyMap<string, Float32Array> | undefined;
  #gradients: Float32Array | undefined;

  /** @throws UserError when memory runs out. */
  constructor(
    addon: Addon,
    engine: EngineHandle,
    specs: readonly ParameterSpec[],
    options: ParameterOptions,
  ) {
    const { training, rates = specs.map(() => 1) } = options;
    checkSpecs(specs);
    this.specs = specs;
    this.training = training;
    this.trained = trainedSpecs(specs, options);
    this.engine = engine;
    this.#addon = addon;
    this.numbers = numbersOf(specs);
    if (addon.writePart) this.writePart = (...part) => this.#writePart(...part);
    const counts = specs.map(({ shape }) => elementCount(shape));
    const isBias = specs.map(({ role }) => role === 'bias');
    try {
      this.#handle = addon.createParameters(counts, isBias, training, rates);
    } catch (error) {
      throw explained('createParameters', error);
    }
  }

  /** @throws Error after dispose */
  handle(operation: string): ParametersHandle {
    checkAlive(operation, 'parameters', this.#handle === undefined);
    return this.#handle!;
  }

  async read(field: ParameterField, name: string): Promise<Float32Array> {
    const handle = this.handle('read');
    const spec = findSpec('read', this, field, name);
    const data = new Float32Array(elementCount(spec.shape));
    await settled(
      'read',
      this.#addon.read(this.engine, handle, FIELDS[field], this.numbers.get(name)!, data),
    );
    return data;
  }

  async write(field: ParameterField, name: string, data: Float32Array): Promise<void> {
    const handle = this.handle('write');
    checkTensorData('write', findSpec('write', this, field, name), data);
    await settled(
      'write',
      this.#addon.write(this.engine, handle, FIELDS[field], this.numbers.get(name)!, data),
    );
  }

  async #writePart(name: string, data: Float32Array, offset: number): Promise<void> {
    const handle = this.handle('writePart');
    checkPart('writePart', findSpec('writePart', this, 'values', name), data, offset);
    const number = this.numbers.get(name)!;
    await settled(
      'writePart',
      this.#addon.writePart!(this.engine, handle, FIELDS.values, number, data, offset),
    );
  }

  async update(step: SgdStep): Promise<void> {
    const handle = this.handle('update');
    checkSgdStep(step);
    checkTraining('update', this);
    const { learningRate, momentum, weightDecay, biasDecay } = step;
    await this.#addon.update(this.engine, handle, learningRate, momentum, weightDecay, biasDecay);
  }

  async zeroGradients(): Promise<void> {
    const handle = this.handle('zeroGradients');
    checkTraining('zeroGradients', this);
    await this.#addon.zeroGradients(this.engine, handle);
  }

  gradientBlock(): Float32Array {
    const handle = this.handle('gradientBlock');
    checkTraining('gradientBlock', this);
    this.#gradients ??= this.#addon.block(handle, FIELDS.gradients);
    if (this.#gradients) return this.#gradients;
    throw new UserError(
      'ranks cannot exchange gradients in WebAssembly: train over ranks where the native kernels load, or in one process',
    );
  }

  place(name: string): Float32Array | undefined {
    const handle = this.handle('place');
    findSpec('place', this, 'values', name);
    const block = this.#views ? undefined : this.#addon.block(handle, FIELDS.values);
    if (block) this.#views = viewsOf(block, this.specs);
    return this.#views?.get(name);
  }

  dispose(): void {
    if (this.#handle) this.#addon.release(this.engine, this.#handle);
    this.#handle = undefined;
    this.#views = undefined;
    this.#gradients = undefined;
  }
}
