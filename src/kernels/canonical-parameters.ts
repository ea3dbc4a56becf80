/** Fills parameters with tensors in canonical layout, cuts a block into tensors, and computes sizes. */
import { type ParameterSpec, valuesIn } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import type { ParameterField, Parameters } from './backend.ts';

/**
 * Fills parameters with named tensors in canonical layout.
 * @throws RangeError when one is missing or has another length.
 */
export async function fillParameters(
  parameters: Parameters,
  tensors: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  for (const { name } of parameters.specs) await fill(parameters, name, tensors.get(name));
}

/** Like `fillParameters`, but deletes each written tensor from the map, so that a large model is never in memory twice. */
export async function moveIntoParameters(
  parameters: Parameters,
  tensors: Map<string, Float32Array>,
): Promise<void> {
  for (const { name } of parameters.specs) {
    await fill(parameters, name, tensors.get(name));
    tensors.delete(name);
  }
}

async function fill(parameters: Parameters, name: string, tensor: Float32Array | undefined): Promise<void> {
  if (!tensor) throw new RangeError(`no values for ${name}`);
  if (isIn(parameters.place(name), tensor)) return;
  await parameters.write('values', name, tensor);
}

/** Whether a tensor was read straight into the parameters' memory. */
function isIn(place: Float32Array | undefined, { buffer, byteOffset, length }: Float32Array): boolean {
  return place?.buffer === buffer && place.byteOffset === byteOffset && place.length === length;
}

/** Views of the tensors in a contiguous block, which has them in the order of the specs. */
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

/** Bytes of parameters in canonical layout, including gradients and velocities if they have them. */
export function canonicalBytes({ specs, trained }: Parameters): number {
  return 4 * (valuesIn(specs) + 2 * valuesIn(trained));
}

/** The tensors that have a field: frozen ones have values only. */
export function specsWith({ specs, trained }: Parameters, field: ParameterField): readonly ParameterSpec[] {
  return field === 'values' ? specs : trained;
}
