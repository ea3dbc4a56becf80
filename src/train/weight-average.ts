/**
 * The mean of a network's weights along the last part of its training (stochastic weight averaging; Izmailov et
 * al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018). At a rate that is not yet
 * small the weights wander around a minimum; their mean lies nearer to its middle than any of them. These
 * networks have no batch normalisation, whose statistics would have to be taken anew.
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

  /** Of no weights yet. */
  static none(parameters: Parameters): WeightAverage {
    return new WeightAverage(parameters, new Map(), 0);
  }

  /** Goes on with an earlier mean of `count` weights, which the parameters hold. */
  static async heldBy(parameters: Parameters, count: number): Promise<WeightAverage> {
    return new WeightAverage(parameters, await copyOf(parameters), count);
  }

  /** How many weights it is the mean of. */
  get count(): number {
    return this.#count;
  }

  /** Adds the weights that the parameters have now. */
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

  /** One tensor of the mean. @throws RangeError for a name that is not there, or where there is no mean yet. */
  read(name: string): Float32Array {
    const mean = this.#means.get(name);
    if (!mean) throw new RangeError(`no mean of ${name}`);
    return mean;
  }

  /** Has the parameters hold the mean while something looks at it; afterwards they are what they were. */
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
