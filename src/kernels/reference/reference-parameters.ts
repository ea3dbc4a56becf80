import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterField, Parameters, SgdStep } from '../backend.ts';
import { viewsOf } from '../canonical-parameters.ts';
import {
  checkAlive,
  checkSgdStep,
  checkSpecs,
  checkTensorData,
  checkTraining,
  findSpec,
} from '../validate.ts';
import { sgdStep } from './sgd.ts';

const FIELDS: readonly ParameterField[] = ['values', 'gradients', 'velocities'];

/** Each field is one contiguous block, with a view of each tensor. */
export class ReferenceParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly training: boolean;
  readonly #blocks: ReadonlyMap<ParameterField, Float32Array>;
  readonly #views: ReadonlyMap<ParameterField, ReadonlyMap<string, Float32Array>>;
  #disposed = false;

  constructor(specs: readonly ParameterSpec[], training: boolean) {
    checkSpecs(specs);
    this.specs = specs;
    this.training = training;
    const fields = training ? FIELDS : FIELDS.slice(0, 1);
    const count = specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    this.#blocks = new Map(fields.map((field) => [field, new Float32Array(count)]));
    this.#views = new Map([...this.#blocks].map(([field, block]) => [field, viewsOf(block, specs)]));
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Returns the tensor itself, not a copy. */
  view(operation: string, field: ParameterField, name: string): Float32Array {
    checkAlive(operation, 'parameters', this.#disposed);
    findSpec(operation, this, field, name);
    return this.#views.get(field)!.get(name)!;
  }

  async read(field: ParameterField, name: string): Promise<Float32Array> {
    return this.view('read', field, name).slice();
  }

  async write(field: ParameterField, name: string, data: Float32Array): Promise<void> {
    const view = this.view('write', field, name);
    checkTensorData('write', findSpec('write', this, field, name), data);
    view.set(data);
  }

  async update(step: SgdStep): Promise<void> {
    checkSgdStep(step);
    for (const { name, role } of this.specs) {
      const gradients = this.view('update', 'gradients', name);
      const decay = role === 'bias' ? step.biasDecay : step.weightDecay;
      sgdStep(
        step,
        decay,
        this.view('update', 'values', name),
        gradients,
        this.view('update', 'velocities', name),
      );
      gradients.fill(0);
    }
  }

  async zeroGradients(): Promise<void> {
    for (const { name } of this.specs) this.view('zeroGradients', 'gradients', name).fill(0);
  }

  gradientBlock(): Float32Array {
    checkAlive('gradientBlock', 'parameters', this.#disposed);
    checkTraining('gradientBlock', this);
    return this.#blocks.get('gradients')!;
  }

  place(name: string): Float32Array {
    return this.view('place', 'values', name);
  }

  dispose(): void {
    this.#disposed = true;
  }
}
