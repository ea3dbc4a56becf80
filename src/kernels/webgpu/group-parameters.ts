/**
 * Parameters that several GPUs hold: the same values and velocities on each, and gradients that add up to the
 * parameters' gradients. An update first replaces each GPU's gradients by their sum, unless a gradient exchange has done
 * that already.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import type { ParameterField, Parameters, SgdStep } from '../backend.ts';
import { checkSgdStep, checkTraining } from '../validate.ts';
import { GpuGradients } from './gpu-gradients.ts';
import type { GpuParameters } from './gpu-parameters.ts';

/** Values summed at a time by an update. */
const BUCKET = 4 * 2 ** 20;

/** Sums that reach every GPU; counts them, so that an update knows whether it has to add. */
class GroupGradients extends GpuGradients {
  /** Values whose sum every GPU holds. */
  stored = 0;

  override store(begin: number, end: number, bf16: boolean): Promise<void> {
    this.stored += end - begin;
    return super.store(begin, end, bf16);
  }
}

export class GroupParameters implements Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly trained: readonly ParameterSpec[];
  readonly training: boolean;
  /** On each GPU. */
  readonly members: readonly GpuParameters[];
  readonly gradientTransfer: GroupGradients;
  readonly align: (() => Promise<void>) | undefined;
  /** Operations that later ones must wait for. */
  #last: Promise<unknown> | undefined;

  /** @param areAlike whether all GPUs round alike */
  constructor(members: readonly GpuParameters[], areAlike: boolean) {
    const [first] = members;
    this.specs = first!.specs;
    this.trained = first!.trained;
    this.training = first!.training;
    this.members = members;
    this.align = areAlike ? undefined : () => this.inOrder(() => this.#align());
    this.gradientTransfer = new GroupGradients(
      members.map(({ port }) => port),
      this.trained,
    );
  }

  checkAlive(operation: string): void {
    for (const member of this.members) member.checkAlive(operation);
  }

  /** Runs an operation at once or, while an update is adding gradients, after it, in the order of calls. */
  inOrder<T>(operation: () => Promise<T>): Promise<T> {
    return this.#last ? this.#waited(operation) : operation();
  }

  #waited<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#last ? this.#last.then(operation) : operation();
    const last = result.then(
      () => {},
      () => {},
    );
    this.#last = last;
    void last.then(() => {
      if (this.#last === last) this.#last = undefined;
    });
    return result;
  }

  read(field: ParameterField, name: string): Promise<Float32Array> {
    return this.inOrder(async () => {
      if (field !== 'gradients' || this.#areSummed) return this.members[0]!.read(field, name);
      const [sum, ...others] = await Promise.all(this.members.map((member) => member.read(field, name)));
      for (const other of others) for (let i = 0; i < sum!.length; i++) sum![i] = sum![i]! + other[i]!;
      return sum!;
    });
  }

  write(field: ParameterField, name: string, data: Float32Array): Promise<void> {
    return this.inOrder(async () => {
      const rest = field !== 'gradients' || this.#areSummed ? data : new Float32Array(data.length);
      await Promise.all(this.members.map((member, at) => member.write(field, name, at === 0 ? data : rest)));
    });
  }

  /** Called before gradients are added: from now on they are the sum over the GPUs. */
  beforeGradients(): void {
    if (this.#areSummed) for (const member of this.members.slice(1)) void member.zeroGradients();
    this.gradientTransfer.stored = 0;
  }

  get #areSummed(): boolean {
    const { stored, block } = this.gradientTransfer;
    return stored > 0 && stored === block.length;
  }

  async update(step: SgdStep): Promise<void> {
    this.checkAlive('update');
    checkSgdStep(step);
    checkTraining('update', this);
    await this.#waited(async () => {
      if (!this.#areSummed) await this.#sum();
      await Promise.all(this.members.map((member) => member.update(step)));
      this.gradientTransfer.stored = 0;
    });
  }

  async #align(): Promise<void> {
    const [first, ...others] = this.members;
    for (const field of ['values', 'velocities'] as const) {
      for (const { name } of field === 'values' ? this.specs : this.trained) {
        const tensor = await first!.read(field, name);
        await Promise.all(others.map((other) => other.write(field, name, tensor)));
      }
    }
  }

  async #sum(): Promise<void> {
    const { length } = this.gradientTransfer.block;
    for (let begin = 0; begin < length; begin += BUCKET) {
      const end = Math.min(length, begin + BUCKET);
      await this.gradientTransfer.fetch(begin, end, false);
      await this.gradientTransfer.store(begin, end, false);
    }
  }

  zeroGradients(): Promise<void> {
    return this.inOrder(async () => {
      this.gradientTransfer.stored = 0;
      await Promise.all(this.members.map((member) => member.zeroGradients()));
    });
  }

  gradientBlock(): Float32Array {
    this.checkAlive('gradientBlock');
    checkTraining('gradientBlock', this);
    return this.gradientTransfer.block;
  }

  /** Undefined: the values are in the GPUs' memory. */
  place(): undefined {
    return undefined;
  }

  dispose(): void {
    for (const member of this.members) member.dispose();
  }
}
