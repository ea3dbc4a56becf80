/** Reads a foreign layer's tensors into canonical layout: permuted, with batch normalization folded. */
import { UserError } from '../../core/errors.ts';
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount, formatShape } from '../../core/shape.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';
import { checkFinite } from '../weight-errors.ts';
import type { ForeignLayer, ForeignNorm, WeightLayout } from './foreign-network.ts';

/** Receives the number of float32 bytes read. */
export type OnBytes = (bytes: number) => void;

/**
 * Reads a weight into `[out, in, k, k]`.
 * @param place an array to read into, used if it has the right size
 * @throws UserError naming file and tensor when it cannot be read or holds a value that is not finite.
 */
export async function readWeight(
  path: string,
  { weight, layout }: ForeignLayer,
  { shape }: ParameterSpec,
  onBytes: OnBytes,
  place?: Float32Array,
): Promise<Float32Array> {
  const count = elementCount(shape);
  const target = place?.length === count ? place : new Float32Array(count);
  checkCount(path, weight, target.length, formatShape(shape));
  const put = placing(layout, shape, target);
  await weight.read((values, offset) => {
    checkFinite(path, weight.name, values, offset);
    put(values, offset);
    onBytes(values.byteLength);
  });
  return target;
}

/** Reads a vector of `count` values, usually one per output channel. @throws UserError as `readWeight` does. */
export async function readVector(path: string, tensor: SourceTensor, count: number): Promise<Float32Array> {
  checkCount(path, tensor, count, `${count} values`);
  const target = new Float32Array(count);
  await tensor.read((values, offset) => {
    checkFinite(path, tensor.name, values, offset);
    target.set(values, offset);
  });
  return target;
}

function checkCount(path: string, tensor: SourceTensor, count: number, expected: string): void {
  if (elementCount(tensor.shape) === count) return;
  throw new UserError(
    `${path}: tensor ${tensor.name} is ${formatShape(tensor.shape)}, but ${expected} was expected; the file is damaged or holds another network`,
  );
}

type Put = (values: Float32Array, offset: number) => void;

/** Stores a run of a tensor's values in canonical layout. */
function placing(layout: WeightLayout, shape: ParameterSpec['shape'], target: Float32Array): Put {
  const [outputs, ...inputShape] = shape as [number, ...number[]];
  const inputs = elementCount(inputShape);
  const order = inputOrder(layout, inputShape);
  if (layout.outputsLast) return placeOutputsLast(target, order, outputs, inputs);
  if (layout.inputs === 'chw') return (values, offset) => target.set(values, offset);
  return (values, offset) => {
    for (let i = 0; i < values.length; i++) {
      const at = offset + i;
      const input = at % inputs;
      target[at - input + order[input]!] = values[i]!;
    }
  };
}

/** For each input in the file's order, its index in `[in, k, k]`. */
export function inputOrder({ inputs }: WeightLayout, inputShape: readonly number[]): Uint32Array {
  const [channels = 1, height = 1, width = 1] = inputShape;
  const area = height * width;
  return Uint32Array.from({ length: channels * area }, (_, index) =>
    inputs === 'chw' ? index : (index % channels) * area + Math.floor(index / channels),
  );
}

/** Floats per cache line. */
const LINE = 16;

/** Transposes by cache lines: fc6 has a hundred million values, and the other loop order takes ten times as long. */
function placeOutputsLast(target: Float32Array, order: Uint32Array, outputs: number, inputs: number): Put {
  const single = (value: number, at: number): void => {
    target[(at % outputs) * inputs + order[Math.floor(at / outputs)]!] = value;
  };
  return (values, offset) => {
    const end = offset + values.length;
    const firstRow = Math.ceil(offset / outputs);
    const lastRow = Math.max(firstRow, Math.floor(end / outputs));
    for (let at = offset; at < Math.min(firstRow * outputs, end); at++) single(values[at - offset]!, at);
    for (let o = 0; o < outputs; o += LINE) {
      const oEnd = Math.min(o + LINE, outputs);
      for (let row = firstRow; row < lastRow; row++) {
        const from = row * outputs - offset;
        const to = order[row]!;
        for (let output = o; output < oEnd; output++) target[output * inputs + to] = values[from + output]!;
      }
    }
    for (let at = Math.max(lastRow * outputs, offset); at < end; at++) {
      if (at >= firstRow * outputs) single(values[at - offset]!, at);
    }
  };
}

/** Batch normalization of each output: y ← factor · y + offset. */
interface Affine {
  readonly factors: Float64Array;
  readonly offsets: Float64Array;
}

/** Reads normalizations that follow one another. @throws UserError as `readNorm` does. */
export async function readNorms(path: string, norms: readonly ForeignNorm[], count: number): Promise<Affine> {
  const [first, ...rest] = norms;
  let affine = await readNorm(path, first!, count);
  for (const norm of rest) affine = compose(affine, await readNorm(path, norm, count));
  return affine;
}

/** @throws UserError naming file and tensor if a variance is negative, or a tensor has the wrong size. */
async function readNorm(path: string, norm: ForeignNorm, outputs: number): Promise<Affine> {
  const vector = (tensor: SourceTensor) => readVector(path, tensor, outputs);
  const mean = await vector(norm.mean);
  const variance = await vector(norm.variance);
  const scale = norm.scale && (await vector(norm.scale));
  const shift = norm.shift && (await vector(norm.shift));
  const divisor = norm.divisor ? (await readVector(path, norm.divisor, 1))[0]! : 1;
  const unit = divisor === 0 ? 0 : 1 / divisor;
  const factors = new Float64Array(outputs);
  const offsets = new Float64Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const radicand = variance[o]! * unit + norm.epsilon;
    if (!(radicand > 0)) {
      throw new UserError(
        `${path}: tensor ${norm.variance.name} holds ${variance[o]} at element ${o}, which is not a variance; copy or download the file again`,
      );
    }
    factors[o] = (scale?.[o] ?? 1) / Math.sqrt(radicand);
    offsets[o] = (shift?.[o] ?? 0) - mean[o]! * unit * factors[o]!;
  }
  return { factors, offsets };
}

/** Combines two normalizations, one applied after the other. */
function compose(first: Affine, second: Affine): Affine {
  return {
    factors: first.factors.map((factor, o) => factor * second.factors[o]!),
    offsets: first.offsets.map((offset, o) => offset * second.factors[o]! + second.offsets[o]!),
  };
}

/** Applies normalization to the weights. Products are in float64 and rounded once. */
export function scaleOutputs(weight: Float32Array, bias: Float32Array, { factors, offsets }: Affine): void {
  const inputs = weight.length / bias.length;
  for (let o = 0; o < bias.length; o++) {
    for (let i = o * inputs; i < (o + 1) * inputs; i++) weight[i] = weight[i]! * factors[o]!;
    bias[o] = bias[o]! * factors[o]! + offsets[o]!;
  }
}

/**
 * Applies a normalization of the inputs, which W(f · x + o) + b = (W · f) x + (b + W · o) folds into weights and biases.
 * @param sources for each place in `[in, k, k]`, the index of its factor and offset
 */
export function scaleInputs(
  weight: Float32Array,
  bias: Float32Array,
  { factors, offsets }: Affine,
  sources: Uint32Array,
): void {
  const inputs = weight.length / bias.length;
  for (let o = 0; o < bias.length; o++) {
    let sum = bias[o]!;
    for (let i = 0; i < inputs; i++) {
      const value = weight[o * inputs + i]!;
      sum += value * offsets[sources[i]!]!;
      weight[o * inputs + i] = value * factors[sources[i]!]!;
    }
    bias[o] = sum;
  }
}
