/**
 * Builds a foreign network layer by layer, as described by ONNX's nodes, Caffe's layers or Keras's configuration, and
 * rejects anything that a VGG network does not have.
 */
import { UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { HeadPool } from '../../net/classifier.ts';
import type { ForeignLayer, ForeignNetwork, ForeignNorm, PixelStep } from './foreign-network.ts';

/** Number of poolings in a network of Table 1. The classifier follows the last. */
const BLOCKS = 5;

export class ChainBuilder {
  readonly #path: string;
  readonly #convolutions: ForeignLayer[] = [];
  readonly #classifier: ForeignLayer[] = [];
  #pools = 0;
  #lrn = false;
  #rounding: PoolingRounding | undefined;
  #headPool: HeadPool | undefined;
  /** A pooling of the scores, after which no layer may follow. */
  #scorePool: string | undefined;
  #inputNorms: ForeignNorm[] = [];
  #inputSide: number | undefined;
  readonly #pixelSteps: PixelStep[] = [];
  readonly #remarks: string[] = [];
  /** Whether a ReLU has followed the last layer. */
  #activated = true;

  constructor(path: string) {
    this.#path = path;
  }

  get pools(): number {
    return this.#pools;
  }

  /** Whether no layer has been added yet. */
  get isEmpty(): boolean {
    return this.#convolutions.length === 0;
  }

  /** Side of the last map, if the file states that of the input. */
  get mapSide(): number | undefined {
    const side = this.#inputSide;
    return side === undefined ? undefined : Math.floor(side / 2 ** this.#pools);
  }

  /** Records the sides of the input, if the file states them. */
  input(height: number | undefined, width: number | undefined): void {
    if (height === width && height !== undefined && height > 0) this.#inputSide = height;
  }

  /** Adds arithmetic on the pixels. */
  pixels(step: PixelStep): void {
    if (!this.isEmpty) throw this.refuse(`${step.name} changes values after a convolution`);
    this.#pixelSteps.push(step);
  }

  /** Adds a warning for the user, once. */
  remark(text: string): void {
    if (!this.#remarks.includes(text)) this.#remarks.push(text);
  }

  /** @param window kernel, stride and zeros on each side of a convolution; undefined for a matrix */
  layer(
    layer: Omit<ForeignLayer, 'norms' | 'inputNorms' | 'block'>,
    window?: { kernel: number; stride: number; padding: number },
  ): void {
    if (!this.#activated) {
      throw this.refuse(`${layer.name} follows a layer without a ReLU between them`);
    }
    if (this.#scorePool)
      throw this.refuse(`${layer.name} follows ${this.#scorePool}, which pools after the classifier`);
    this.#activated = false;
    const full = window === undefined || this.#pools === BLOCKS;
    if (window) {
      const expected = full ? 0 : (window.kernel - 1) / 2;
      if (window.stride !== 1 || window.padding !== expected) {
        throw this.refuse(
          `${layer.name} is a ${window.kernel}×${window.kernel} convolution with stride ${window.stride} and padding ${window.padding}; expected stride 1 and padding ${expected}`,
        );
      }
    } else if (this.#pools !== BLOCKS) {
      throw this.refuse(
        `${layer.name} is fully connected after ${this.#pools} max poolings; expected ${BLOCKS}`,
      );
    }
    if (full) {
      this.#classifier.push({ ...layer, norms: [], inputNorms: this.#inputNorms });
      this.#inputNorms = [];
    } else this.#convolutions.push({ ...layer, norms: [], block: this.#pools + 1 });
  }

  norm(norm: ForeignNorm): void {
    const last = this.#last(norm.name);
    if (this.#activated) {
      if (this.#pools < BLOCKS) {
        throw this.refuse(
          `${norm.name} normalizes after a ReLU, where it cannot be folded into the convolution`,
        );
      }
      this.#inputNorms.push(norm);
      return;
    }
    this.#replaceLast({ ...last, norms: [...last.norms, norm] });
  }

  /** Adds a bias that is a separate layer. */
  bias(name: string, bias: ForeignLayer['bias'] & object): void {
    const last = this.#last(name);
    if (this.#activated || last.bias || last.norms.length > 0)
      throw this.refuse(`${name} adds a tensor where no bias is expected`);
    this.#replaceLast({ ...last, bias });
  }

  relu(name: string): void {
    this.#last(name);
    this.#activated = true;
  }

  lrn(name: string): void {
    if (this.#convolutions.length !== 1 || this.#pools !== 0) {
      throw this.refuse(`${name} is a local response normalization, which Table 1 has after conv1_1 only`);
    }
    this.#lrn = true;
  }

  /** @param window side, stride and padding */
  maxPool(
    name: string,
    window: { side: number; stride: number; padding: number },
    rounding: PoolingRounding,
  ): void {
    if (window.side !== 2 || window.stride !== 2 || window.padding !== 0) {
      throw this.refuse(
        `${name} pools ${window.side}×${window.side} with stride ${window.stride} and padding ${window.padding}; expected 2×2 with stride 2 and padding 0`,
      );
    }
    if (!this.#activated) throw this.refuse(`${name} pools before a ReLU`);
    if (++this.#pools > BLOCKS)
      throw this.refuse(`${name} is max pooling number ${this.#pools}; expected ${BLOCKS}`);
    this.#rounding ??= rounding;
  }

  /** @param pool to the side that it has at the file's input size */
  headPool(name: string, pool: HeadPool): void {
    if (this.#pools !== BLOCKS) {
      throw this.refuse(`${name} pools the whole map after ${this.#pools} max poolings; expected ${BLOCKS}`);
    }
    if (this.#classifier.length > 0) {
      // The mean of the scores is what dense evaluation computes.
      if (pool.method !== 'average' || pool.side !== 1)
        throw this.refuse(`${name} pools after the classifier`);
      this.#scorePool = name;
      return;
    }
    if (this.#inputNorms.length > 0 && pool.method === 'max') {
      throw this.refuse(`${name} pools by the maximum after a normalization`);
    }
    // Pooling one value leaves it as it is.
    if (this.#headPool?.side === 1) return;
    if (this.#headPool) throw this.refuse(`${name} is a second pooling before the classifier`);
    this.#headPool = pool;
  }

  build(facts: Pick<ForeignNetwork, 'naming' | 'convention'>): ForeignNetwork {
    if (this.#convolutions.length === 0) throw this.refuse('it has no convolutions');
    const [unused] = this.#inputNorms;
    if (unused) throw this.refuse(`${unused.name} normalizes after a ReLU, and no layer follows`);
    const remarks = [...this.#remarks];
    if (this.#headPool && this.#classifier.length === 0) {
      remarks.push('the pooling at its end was left out: pool the features with `vgg features --pool`');
    }
    return {
      ...facts,
      convolutions: this.#convolutions,
      classifier: this.#classifier,
      headPool: this.#headPool ?? 'none',
      inputSide: this.#inputSide,
      pixelSteps: this.#pixelSteps,
      lrn: this.#lrn,
      pooling: this.#rounding ?? 'floor',
      remarks,
    };
  }

  refuse(reason: string): UserError {
    return new UserError(`${this.#path} is not a network of Table 1: ${reason}`);
  }

  #last(name: string): ForeignLayer {
    const last = this.#classifier.at(-1) ?? this.#convolutions.at(-1);
    if (!last) throw this.refuse(`it begins with ${name} instead of a convolution`);
    return last;
  }

  #replaceLast(layer: ForeignLayer): void {
    const list = this.#classifier.length > 0 ? this.#classifier : this.#convolutions;
    list[list.length - 1] = layer;
  }
}
