import type { ParameterSpec } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import type { Parameters } from './backend.ts';

/** Each tensor's part of a block in which they stand one after the other, in the order of the specs. */
export function viewsOf(block: Float32Array, specs: readonly ParameterSpec[]): Map<string, Float32Array> {
  let offset = 0;
  return new Map(
    specs.map(({ name, shape }) => {
      const view = block.subarray(offset, offset + elementCount(shape));
      offset += view.length;
      return [name, view];
    }),
  );
}

/** Bytes of parameters in canonical layout, with gradients and velocities where they have some. */
export function canonicalBytes({ specs, training }: Parameters): number {
  const values = specs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return 4 * values * (training ? 3 : 1);
}
