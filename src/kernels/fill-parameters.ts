import type { Parameters } from './backend.ts';

/**
 * Fills parameters with named tensors in canonical layout.
 * @throws RangeError when one is missing or has another length.
 */
export async function fillParameters(
  parameters: Parameters,
  tensors: ReadonlyMap<string, Float32Array>,
): Promise<void> {
  for (const { name } of parameters.specs) {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`no values for ${name}`);
    await parameters.write('values', name, tensor);
  }
}
