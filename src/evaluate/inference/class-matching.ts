/** Matches the classes of models and data by name, since each may list them in its own order. */
import { UserError } from '../../core/errors.ts';

export interface NamedClasses {
  /** Name of the model or the data in messages. */
  readonly path: string;
  /** Identifiers in label order. */
  readonly classes: readonly string[];
}

/**
 * Maps each class of the first model to its number in another model.
 * @throws UserError naming the classes that only one of them has.
 */
export function matchClasses(first: NamedClasses, other: NamedClasses): Int32Array {
  const numbers = new Map(other.classes.map((name, number) => [name, number]));
  const own = new Set(first.classes);
  const missing = first.classes.filter((name) => !numbers.has(name));
  const extra = other.classes.filter((name) => !own.has(name));
  if (missing.length > 0 || extra.length > 0) {
    const differences = [
      ...(missing.length > 0 ? [`only ${first.path} has ${preview(missing)}`] : []),
      ...(extra.length > 0 ? [`only ${other.path} has ${preview(extra)}`] : []),
    ];
    throw new UserError(
      `these models have different classes: ${differences.join(', ')}; average models that have the same classes`,
    );
  }
  return Int32Array.from(first.classes, (name) => numbers.get(name)!);
}

/**
 * Maps each class of the data to its number in the model.
 * @throws UserError naming a class that the model does not have.
 */
export function classNumbers(data: NamedClasses, model: NamedClasses): Int32Array {
  const numbers = new Map(model.classes.map((name, number) => [name, number]));
  return Int32Array.from(data.classes, (name) => {
    const number = numbers.get(name);
    if (number !== undefined) return number;
    throw new UserError(
      `${data.path} has images of the class "${name}", which ${model.path} does not have; its classes are ${preview(model.classes)}`,
    );
  });
}

/** Puts posteriors into the first model's class order. */
export function reorder(posteriors: Float64Array, numbers: Int32Array): Float64Array {
  return Float64Array.from(numbers, (number) => posteriors[number]!);
}

function preview(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(', ')
    : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
