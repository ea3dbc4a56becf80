/**
 * Builds a foreign network from a description of layers in order, as ONNX's nodes, Caffe's layers and Keras's
 * configuration give it, and refuses what a VGG network does not have.
 */
import { UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { ForeignLayer, ForeignNetwork, ForeignNorm } from './network.ts';

/** Poolings of a network of Table 1. What stands behind the last is the classifier. */
const BLOCKS = 5;

export class ChainBuilder {
  readonly #path: string;
  readonly #convolutions: ForeignLayer[] = [];
  readonly #classifier: ForeignLayer[] = [];
  #pools = 0;
  #lrn = false;
  #rounding: PoolingRounding | undefined;
  /** Whether the last layer has had its ReLU. */
  #activated = true;

  constructor(path: string) {
    this.#path = path;
  }

  get pools(): number {
    return this.#pools;
  }

  /** @param padding zeros on each side; undefined for a matrix */
  layer(
    layer: Omit<ForeignLayer, 'norms' | 'block'>,
    padding?: { found: number; kernel: number; stride: number },
  ): void {
    if (!this.#activated) {
      throw this.refuse(`${layer.name} follows a layer without a ReLU between them`);
    }
    this.#activated = false;
    const full = padding === undefined || this.#pools === BLOCKS;
    if (padding) {
      const wanted = full ? 0 : (padding.kernel - 1) / 2;
      if (padding.stride !== 1 || padding.found !== wanted) {
        throw this.refuse(
          `${layer.name} is a ${padding.kernel}×${padding.kernel} convolution with stride ${padding.stride} and padding ${padding.found}, and it should have stride 1 and padding ${wanted}`,
        );
      }
    } else if (this.#pools !== BLOCKS) {
      throw this.refuse(
        `${layer.name} is fully connected behind ${this.#pools} max poolings, and there should be ${BLOCKS}`,
      );
    }
    if (full) this.#classifier.push({ ...layer, norms: [] });
    else this.#convolutions.push({ ...layer, norms: [], block: this.#pools + 1 });
  }

  norm(norm: ForeignNorm): void {
    const last = this.#last(norm.name);
    if (this.#activated) {
      throw this.refuse(`${norm.name} normalises behind a ReLU, where it does not fold into the convolution`);
    }
    this.#replaceLast({ ...last, norms: [...last.norms, norm] });
  }

  /** Adds a bias that stands as a layer of its own. */
  bias(name: string, bias: ForeignLayer['bias'] & object): void {
    const last = this.#last(name);
    if (this.#activated || last.bias || last.norms.length > 0)
      throw this.refuse(`${name} adds something where no bias is expected`);
    this.#replaceLast({ ...last, bias });
  }

  relu(name: string): void {
    this.#last(name);
    this.#activated = true;
  }

  lrn(name: string): void {
    if (this.#convolutions.length !== 1 || this.#pools !== 0) {
      throw this.refuse(`${name} is a local response normalisation, which Table 1 has behind conv1_1 only`);
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
        `${name} pools ${window.side}×${window.side} with stride ${window.stride} and padding ${window.padding}, and it should be 2×2 with stride 2 and padding 0`,
      );
    }
    if (!this.#activated) throw this.refuse(`${name} pools before a ReLU`);
    if (++this.#pools > BLOCKS)
      throw this.refuse(`${name} is the ${this.#pools}th max pooling, and there are ${BLOCKS}`);
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

  refuse(what: string): UserError {
    return new UserError(`${this.#path} is no network of Table 1: ${what}`);
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
