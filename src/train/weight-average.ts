/**
 * The average of the weights over the last part of training (stochastic weight averaging; Izmailov et al., "Averaging
 * Weights Leads to Wider Optima and Better Generalization", UAI 2018). While the learning rate is not yet small, the
 * weights move around a minimum; their average is closer to its center than any of them. There is no batch
 * normalization whose statistics would need an update.
 */
import type { Parameters } from '../kernels/backend.ts';

export class WeightAverage {
  readonly #parameters: Parameters;
  readonly #means: Map<string, Float32Array>;
  #count: number;

  private constructor(parameters: Parameters, means: Map<string, Float32Array>, count: number) {
    this.#parameters = parameters;
    this.#means = means;
    this.#count = count;
  }

  /** An average that holds no weights yet. */
  static none(parameters: Parameters): WeightAverage {
    return new WeightAverage(parameters, new Map(), 0);
  }

  /** Continues an earlier average of `count` weight snapshots, which the parameters hold. */
  static async heldBy(parameters: Parameters, count: number): Promise<WeightAverage> {
    return new WeightAverage(parameters, await copyOf(parameters), count);
  }

  /** Number of weight snapshots averaged. */
  get count(): number {
    return this.#count;
  }

  /** Adds the current weights of the parameters. */
  async add(): Promise<void> {
    this.#count++;
    for (const { name } of this.#parameters.specs) {
      const weights = await this.#parameters.read('values', name);
      const mean = this.#means.get(name);
      if (!mean) this.#means.set(name, weights);
      else
        weights.forEach((weight, i) => {
          mean[i]! += (weight - mean[i]!) / this.#count;
        });
    }
  }

  /** One tensor of the average. @throws RangeError for an unknown name, or before the first `add`. */
  read(name: string): Float32Array {
    const mean = this.#means.get(name);
    if (!mean) throw new RangeError(`no average of ${name}`);
    return mean;
  }

  /** Runs `work` while the parameters hold the average, and restores the weights afterwards. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const weights = await copyOf(this.#parameters);
    await writeAll(this.#parameters, this.#means);
    try {
      return await work();
    } finally {
      await writeAll(this.#parameters, weights);
    }
  }
}

async function copyOf(parameters: Parameters): Promise<Map<string, Float32Array>> {
  const copy = new Map<string, Float32Array>();
  for (const { name } of parameters.specs) copy.set(name, await parameters.read('values', name));
  return copy;
}

async function writeAll(parameters: Parameters, tensors: ReadonlyMap<string, Float32Array>): Promise<void> {
  for (const [name, tensor] of tensors) await parameters.write('values', name, tensor);
}
