import { type ParameterSpec, valuesIn } from '../../core/layer.ts';
import type { ParameterField, ParameterOptions, Parameters, SgdStep } from '../backend.ts';
import { viewsOf } from '../canonical-parameters.ts';
import {
  checkAlive,
  checkSgdStep,
  checkSpecs,
  checkTensorData,
  checkTraining,
  findSpec,
  trainedSpecs,
} from '../validate.ts';
import { sgdStep } from './sgd.ts';

const FIELDS: readonly ParameterField[] = ['values', 'gradients', 'velocities'];

/** Each field is one contiguous block, with a view of each tensor. */
export class ReferenceParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly trained: readonly ParameterSpec[];
  readonly training: boolean;
  readonly #rates: readonly number[] | undefined;
  readonly #blocks: ReadonlyMap<ParameterField, Float32Array>;
  readonly #views: ReadonlyMap<ParameterField, ReadonlyMap<string, Float32Array>>;
  #disposed = false;

  constructor(specs: readonly ParameterSpec[], options: ParameterOptions) {
    checkSpecs(specs);
    this.specs = specs;
    this.training = options.training;
    this.trained = trainedSpecs(specs, options);
    this.#rates = options.rates;
    const fields = options.training ? FIELDS : FIELDS.slice(0, 1);
    const heldIn = (field: ParameterField) => (field === 'values' ? specs : this.trained);
    this.#blocks = new Map(fields.map((field) => [field, new Float32Array(valuesIn(heldIn(field)))]));
    this.#views = new Map([...this.#blocks].map(([field, block]) => [field, viewsOf(block, heldIn(field))]));
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
    checkTraining('update', this);
    for (const spec of this.trained) {
      const { name, role } = spec;
      const gradients = this.view('update', 'gradients', name);
      const decay = role === 'bias' ? step.biasDecay : step.weightDecay;
      const learningRate = step.learningRate * (this.#rates?.[this.specs.indexOf(spec)] ?? 1);
      sgdStep(
        { ...step, learningRate },
        decay,
        this.view('update', 'values', name),
        gradients,
        this.view('update', 'velocities', name),
      );
      gradients.fill(0);
    }
  }

  async zeroGradients(): Promise<void> {
    checkTraining('zeroGradients', this);
    for (const { name } of this.trained) this.view('zeroGradients', 'gradients', name).fill(0);
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
