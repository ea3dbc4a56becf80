/** Matches the classes of models and data by name, since each may list them in its own order. */
import { describeDifference, lookAlike, numbersByName } from '../../core/class-names.ts';
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
  const numbers = numbersByName(other.classes);
  const own = numbersByName(first.classes);
  const missing = first.classes.filter((name) => !numbers.has(name.normalize('NFC')));
  const extra = other.classes.filter((name) => !own.has(name.normalize('NFC')));
  if (missing.length > 0 || extra.length > 0) {
    const differences = [
      ...(missing.length > 0 ? [`only ${first.path} has ${preview(missing)}`] : []),
      ...(extra.length > 0 ? [`only ${other.path} has ${preview(extra)}`] : []),
      ...missing.flatMap((name) => alikeIn(name, extra)).slice(0, 1),
    ];
    throw new UserError(
      `these models have different classes: ${differences.join(', ')}; average models that have the same classes`,
    );
  }
  return Int32Array.from(first.classes, (name) => numbers.get(name.normalize('NFC'))!);
}

/**
 * Maps each class of the data to its number in the model.
 * @throws UserError naming a class that the model does not have.
 */
export function classNumbers(data: NamedClasses, model: NamedClasses): Int32Array {
  const numbers = numbersByName(model.classes);
  return Int32Array.from(data.classes, (name) => {
    const number = numbers.get(name.normalize('NFC'));
    if (number !== undefined) return number;
    const [alike] = alikeIn(name, model.classes);
    const remedy = alike ? `${alike}; rename one of them` : `its classes are ${preview(model.classes)}`;
    throw new UserError(
      `${data.path} has images of the class "${name}", which ${model.path} does not have; ${remedy}`,
    );
  });
}

/** Puts posteriors into the first model's class order. */
export function reorder(posteriors: Float64Array, numbers: Int32Array): Float64Array {
  return Float64Array.from(numbers, (number) => posteriors[number]!);
}

/** How a name differs from one that looks like it; empty if there is none. */
function alikeIn(name: string, names: readonly string[]): string[] {
  const other = lookAlike(name, names);
  return other === undefined ? [] : [describeDifference(name, other)];
}

function preview(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(', ')
    : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}
