/**
 * The gradients of one or several GPUs that hold the same parameters, as one block in this process's memory: the sum
 * over the GPUs, added in their order.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import { valuesIn } from '../../core/layer.ts';
import type { GradientTransfer } from '../backend.ts';
import { type GradientPort, roundToBf16 } from './gradient-port.ts';

export class GpuGradients implements GradientTransfer {
  readonly devices: number;
  readonly #ports: readonly GradientPort[];
  readonly #values: number;
  #block: Float32Array | undefined;

  constructor(ports: readonly GradientPort[], trained: readonly ParameterSpec[]) {
    this.devices = ports.length;
    this.#ports = ports;
    this.#values = valuesIn(trained);
  }

  /** Allocated when first used: a single GPU without other ranks needs none. */
  get block(): Float32Array {
    this.#block ??= new Float32Array(this.#values);
    return this.#block;
  }

  async fetch(begin: number, end: number, bf16: boolean): Promise<number> {
    const { block } = this;
    const fetched = this.#ports.map((port) => port.fetch(begin, end, bf16));
    const ready = Promise.all(fetched.map((one) => one.ready));
    // Awaited one after another below; a failure must not count as unhandled until then.
    for (const promise of [ready, ...fetched.map(({ pieces }) => pieces)]) promise.catch(() => {});
    let isFirst = true;
    for (const { pieces } of fetched) {
      for (const { at, values, release } of await pieces) {
        const target = block.subarray(at, at + values.length);
        if (values instanceof Uint16Array) addBf16(target, values, isFirst);
        else addFloats(target, values, isFirst, bf16);
        release();
      }
      isFirst = false;
    }
    return Math.max(...(await ready));
  }

  async store(begin: number, end: number, bf16: boolean): Promise<void> {
    if (bf16) roundToBf16(this.block.subarray(begin, end));
    for (const port of this.#ports) port.store(begin, end, this.block, bf16);
  }
}

function addFloats(target: Float32Array, values: Float32Array, replace: boolean, bf16: boolean): void {
  const terms = bf16 ? values.slice() : values;
  if (bf16) roundToBf16(terms);
  if (replace) target.set(terms);
  else for (let i = 0; i < target.length; i++) target[i] = target[i]! + terms[i]!;
}

/** A bf16 is the upper half of a float32. */
const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

function addBf16(target: Float32Array, values: Uint16Array, replace: boolean): void {
  for (let i = 0; i < target.length; i++) {
    word[0] = values[i]! << 16;
    target[i] = replace ? float[0]! : target[i]! + float[0]!;
  }
}
