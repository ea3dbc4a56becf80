/** MATLAB's values as JavaScript's, or undefined if they are of another kind. */
import type { MatValue } from '../../containers/matlab/mat-file.ts';

export type Fields = ReadonlyMap<string, MatValue>;

/** The fields of a struct. */
export function fieldsOf(value: MatValue | undefined): Fields | undefined {
  return value?.kind === 'struct' && value.elements.length === 1 ? value.elements[0] : undefined;
}

/** The structs of a struct array, or of a cell array of structs. */
export function elementsOf(value: MatValue | undefined): readonly Fields[] | undefined {
  if (value?.kind === 'struct') return value.elements;
  if (value?.kind !== 'cell') return undefined;
  const elements = value.values.map(fieldsOf);
  return elements.every((element) => element !== undefined) ? (elements as Fields[]) : undefined;
}

export function textOf(value: MatValue | undefined): string | undefined {
  return value?.kind === 'text' ? value.text : undefined;
}

/** The numbers of an array, in MATLAB's order. */
export function numbersOf(value: MatValue | undefined): Float32Array | undefined {
  if (value?.kind === 'numbers') return Float32Array.from(value.values);
  return value?.kind === 'array' ? value.stored.values() : undefined;
}
