/** Matches the classes of models and data by name, since each may list them in its own order. */
import { areClassNumbers, describeDifference, lookAlike, numbersByName } from '../../core/class-names.ts';
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
 * Whether the data's classes are numbers of the model's classes, as in ImageNet-V2: 0 to N − 1, one for each of the
 * model's N classes, none of which has such a name. Fewer numbers, or numbers from 1, would be a guess.
 */
export function areNumbersOf(data: NamedClasses, model: NamedClasses): boolean {
  const names = numbersByName(model.classes);
  return (
    data.classes.length === model.classes.length &&
    areClassNumbers(data.classes) &&
    !data.classes.some((name) => names.has(name))
  );
}

/**
 * Maps each class of the data to its number in the model: by name, or see `areNumbersOf`.
 * @throws UserError naming a class that the model does not have.
 */
export function classNumbers(data: NamedClasses, model: NamedClasses): Int32Array {
  if (areNumbersOf(data, model)) return Int32Array.from(data.classes, Number);
  const numbers = numbersByName(model.classes);
  return Int32Array.from(data.classes, (name) => {
    const number = numbers.get(name.normalize('NFC'));
    if (number !== undefined) return number;
    const [alike] = alikeIn(name, model.classes);
    const own = `its classes are ${preview(model.classes)}`;
    const numbered = data.classes.every((other) => /^\d+$/.test(other))
      ? `; only the numbers 0 to ${model.classes.length - 1}, all of them, are read as class numbers`
      : '';
    const remedy = alike ? `${alike}; rename one of them` : own + numbered;
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
