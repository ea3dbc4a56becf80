/**
 * Builds a foreign network layer by layer, as described by ONNX's nodes, Caffe's layers or Keras's configuration, and
 * rejects anything that a VGG network does not have.
 */
import { UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { ForeignLayer, ForeignNetwork, ForeignNorm } from './foreign-network.ts';

/** Number of poolings in a network of Table 1. The classifier follows the last. */
const BLOCKS = 5;

export class ChainBuilder {
  readonly #path: string;
  readonly #convolutions: ForeignLayer[] = [];
  readonly #classifier: ForeignLayer[] = [];
  #pools = 0;
  #lrn = false;
  #rounding: PoolingRounding | undefined;
  /** Whether a ReLU has followed the last layer. */
  #activated = true;

  constructor(path: string) {
    this.#path = path;
  }

  get pools(): number {
    return this.#pools;
  }

  /** @param window kernel, stride and zeros on each side of a convolution; undefined for a matrix */
  layer(
    layer: Omit<ForeignLayer, 'norms' | 'block'>,
    window?: { kernel: number; stride: number; padding: number },
  ): void {
    if (!this.#activated) {
      throw this.refuse(`${layer.name} follows a layer without a ReLU between them`);
    }
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
    if (full) this.#classifier.push({ ...layer, norms: [] });
    else this.#convolutions.push({ ...layer, norms: [], block: this.#pools + 1 });
  }

  norm(norm: ForeignNorm): void {
    const last = this.#last(norm.name);
    if (this.#activated) {
      throw this.refuse(
        `${norm.name} normalizes after a ReLU, where it cannot be folded into the convolution`,
      );
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

  build(
    facts: Omit<ForeignNetwork, 'convolutions' | 'classifier' | 'pooling' | 'lrn'> & {
      pooling?: PoolingRounding;
    },
  ): ForeignNetwork {
    if (this.#convolutions.length === 0) throw this.refuse('it has no convolutions');
    return {
      ...facts,
      convolutions: this.#convolutions,
      classifier: this.#classifier,
      lrn: this.#lrn,
      pooling: facts.pooling ?? this.#rounding ?? 'floor',
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
