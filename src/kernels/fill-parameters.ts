import type { Parameters } from './backend.ts';

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

/**
 * As `fillParameters`, but each tensor leaves the map when it is written, so that a large model need not be in
 * memory twice.
 */
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

/** Whether a tensor is where it belongs already: someone has read it there. */
function isIn(place: Float32Array | undefined, { buffer, byteOffset, length }: Float32Array): boolean {
  return place?.buffer === buffer && place.byteOffset === byteOffset && place.length === length;
}
