/// <reference types="@webgpu/types" />
/**
 * The layout of parameters in the GPU's memory. Weights are `[k, k, in, out]`, as the kernels multiply them, with both
 * channels padded to vectors of four by zeros, which stay zero. A weight larger than the device can bind (fc6 has
 * 411 MB) is stored in several panels of output channels.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type { ParameterField } from '../backend.ts';
import type { Gpu } from './gpu.ts';

/** Some output channels of a weight, or all of another tensor. */
export interface Panel {
  /** Vectors of four output channels. */
  readonly vectors: number;
  /** Index of the first one in the tensor. */
  readonly first: number;
  readonly buffers: Readonly<Partial<Record<ParameterField, GPUBuffer>>>;
  /** The factors of direct products: the values themselves or, in f16, a copy that `toFactors` makes. */
  readonly factors: GPUBuffer;
  /** Size of each buffer, in vectors of four. */
  readonly size: number;
}

/** Some values of a canonical weight, all in one panel. */
export interface Piece {
  readonly panel: Panel;
  /** `Shape` in the shaders. */
  readonly shape: readonly number[];
  /** Index of the first value in the canonical weight, and the number of values. */
  readonly start: number;
  readonly count: number;
}

export function isWeight({ shape }: ParameterSpec): boolean {
  return shape.length === 4;
}

function extentsOf({ shape }: ParameterSpec) {
  const [outChannels, inChannels, ...kernel] = shape as [number, number, number, number];
  return { outChannels, inChannels, taps: elementCount(kernel), inVectors: Math.ceil(inChannels / 4) };
}

export function panelsFor(gpu: Gpu, spec: ParameterSpec, training: boolean): Panel[] {
  const fields: ParameterField[] = training ? ['values', 'gradients', 'velocities'] : ['values'];
  const panel = (first: number, vectors: number, size: number): Panel => {
    const buffers: Panel['buffers'] = Object.fromEntries(
      fields.map((field) => [field, gpu.storage(spec.name, 4 * size)]),
    );
    const copied = gpu.precision === 'f16' && isWeight(spec);
    const factors = copied ? gpu.storage(spec.name, size * gpu.kept.bytes) : buffers.values!;
    return { first, vectors, size, buffers, factors };
  };
  if (!isWeight(spec)) {
    const vectors = Math.ceil(elementCount(spec.shape) / 4);
    return [panel(0, vectors, vectors)];
  }
  const { outChannels, taps, inVectors } = extentsOf(spec);
  const rows = 4 * inVectors * taps;
  const all = Math.ceil(outChannels / 4);
  const fitting = Math.max(1, Math.floor(gpu.limits.bindingBytes / (16 * rows)));
  const each = Math.ceil(all / Math.ceil(all / fitting));
  return Array.from({ length: Math.ceil(all / each) }, (_, index) => {
    const vectors = Math.min(each, all - index * each);
    return panel(index * each, vectors, rows * vectors);
  });
}

/**
 * Divides a weight, or a range of its canonical values, into pieces, each within one panel.
 * @param mostBytes largest canonical piece
 */
export function piecesOf(
  spec: ParameterSpec,
  panels: readonly Panel[],
  mostBytes: number,
  [begin, end]: readonly [number, number] = [0, elementCount(spec.shape)],
): Piece[] {
  const { inChannels, taps, inVectors } = extentsOf(spec);
  const each = inChannels * taps;
  const largest = Math.max(1, Math.floor(mostBytes / 4));
  return panels.flatMap((panel) => {
    const origin = 4 * panel.first * each;
    const to = Math.min(end, origin + 4 * panel.vectors * each);
    const pieces: Piece[] = [];
    for (let start = Math.max(begin, origin); start < to; start += largest) {
      const count = Math.min(largest, to - start);
      pieces.push({
        panel,
        shape: [inChannels, taps, inVectors, panel.vectors, start - origin, count],
        start,
        count,
      });
    }
    return pieces;
  });
}
