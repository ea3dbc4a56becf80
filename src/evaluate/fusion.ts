/** Several networks as one: the mean of their posteriors (paper, 4.4). */
import { UserError } from '../core/errors.ts';

export interface NamedClasses {
  /** What messages call the model. */
  readonly path: string;
  /** Identifiers in label order. */
  readonly classes: readonly string[];
}

/**
 * For each of the first model's classes its number in another model. Classes are told by name: two models may
 * have them in different orders.
 * @throws UserError naming classes that only one of them has.
 */
export function matchClasses(first: NamedClasses, other: NamedClasses): Int32Array {
  const numbers = new Map(other.classes.map((name, number) => [name, number]));
  const own = new Set(first.classes);
  const missing = first.classes.filter((name) => !numbers.has(name));
  const strange = other.classes.filter((name) => !own.has(name));
  if (missing.length > 0 || strange.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`${first.path} alone has ${preview(missing)}`] : []),
      ...(strange.length > 0 ? [`${other.path} alone has ${preview(strange)}`] : []),
    ];
    throw new UserError(
      `these models do not tell the same classes apart: ${parts.join(', ')}; only models of one set of classes can be averaged`,
    );
  }
  return Int32Array.from(first.classes, (name) => numbers.get(name)!);
}

/**
 * For each class of the data its number in the model, by name and not by position.
 * @throws UserError naming a class that the model does not know.
 */
export function classNumbers(data: NamedClasses, model: NamedClasses): Int32Array {
  const numbers = new Map(model.classes.map((name, number) => [name, number]));
  return Int32Array.from(data.classes, (name) => {
    const number = numbers.get(name);
    if (number !== undefined) return number;
    throw new UserError(
      `${data.path} has images of the class "${name}", which ${model.path} does not know; ` +
        `its classes are ${preview(model.classes)}`,
    );
  });
}

/** Posteriors in the first model's order of classes. */
export function reorder(posteriors: Float64Array, numbers: Int32Array): Float64Array {
  return Float64Array.from(numbers, (number) => posteriors[number]!);
}

function preview(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(', ')
    : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
