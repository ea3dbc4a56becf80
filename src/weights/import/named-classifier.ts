/**
 * Finds the fully connected layers in a file of named tensors, whatever they are called: `classifier.6.weight`,
 * `classifier.6.1.weight`, `fc.weight`, `pre_logits.fc1.weight`. Their shapes determine how they follow each other.
 */
import { UserError } from '../../core/errors.ts';
import {
  convolutionSize,
  type ForeignLayer,
  type ForeignNorm,
  fullyConnectedSize,
  type LayerSize,
} from './foreign-network.ts';
import type { ImportOptions } from './import-options.ts';
import { isNorm, type Named, torchLayer, torchNorm } from './torch-layers.ts';

interface Places {
  /** What precedes the names of the network. */
  readonly prefix: string;
  /** The start of the names of the convolutional layers. */
  readonly features: string;
  /** Of batch normalization. */
  readonly epsilon: number;
}

interface NamedClassifier {
  readonly layers: readonly ForeignLayer[];
  /** Warnings for the user, one sentence each. */
  readonly remarks: readonly string[];
}

/** More matrices than this are no classifier; all their orders are tried. */
const MOST_LAYERS = 6;

/**
 * The fully connected layers after a convolution, in order; none if the file has no other matrices.
 * @throws UserError naming a batch normalization that belongs to none of them.
 */
export function namedClassifier(
  path: string,
  named: Named,
  { prefix, features, epsilon }: Places,
  last: ForeignLayer,
  options: ImportOptions,
): NamedClassifier {
  if (options.featuresOnly) return { layers: [], remarks: [] };
  const candidates = [...named.keys()]
    .filter((name) => name.endsWith('.weight') && !name.startsWith(features))
    .map((name) => name.slice(0, -'.weight'.length))
    .filter((name) => hasMatrix(named, name))
    .sort(byNumbers);
  const names = withinPrefix(candidates, prefix);
  if (names.length === 0) return { layers: [], remarks: [] };
  const channels = convolutionSize(last)?.outputs ?? 0;
  const found = names.map((name) => torchLayer(path, named, name, []));
  // Where none takes the outputs of another, the order of the names tells which shape is wrong.
  const ordered = inOrder(found, channels) ?? found;
  return withNorms(path, named, ordered, features, prefix, epsilon);
}

/** A matrix, or the convolution that replaces one (timm). */
function hasMatrix(named: Named, name: string): boolean {
  const { shape } = named.get(`${name}.weight`)!;
  return shape.length === 2 || (shape.length === 4 && /(^|[._])(pre_logits|classifier|head|fc)/.test(name));
}

/** The names under the network's prefix or, if there are none, under the longest part of it that has some. */
export function withinPrefix(names: readonly string[], prefix: string): string[] {
  for (let at = prefix; ; at = at.replace(/[^.]*\.$/, '')) {
    const inside = names.filter((name) => name.startsWith(at));
    if (inside.length > 0 || at === '') return inside;
  }
}

/** Compares names with numbers in them by the numbers: classifier.3 is before classifier.10. A head (timm) is last. */
function byNumbers(a: string, b: string): number {
  const [first, second] = [a, b].map((name) => Number(/(^|\.)head\./.test(name)));
  return first! - second! || a.localeCompare(b, 'en', { numeric: true });
}

/** The layers in an order in which each takes the outputs of the one before; undefined if there is none. */
function inOrder(layers: readonly ForeignLayer[], channels: number): ForeignLayer[] | undefined {
  if (layers.length > MOST_LAYERS) return undefined;
  const search = (
    rest: readonly ForeignLayer[],
    takes: (size: LayerSize) => boolean,
  ): ForeignLayer[] | undefined => {
    if (rest.length === 0) return [];
    for (const layer of rest) {
      const size = fullyConnectedSize(layer);
      if (!size || !takes(size)) continue;
      const others = rest.filter((other) => other !== layer);
      const after = search(others, ({ kernel, inputs }) => kernel === 1 && inputs === size.outputs);
      if (after) return [layer, ...after];
    }
    return undefined;
  };
  return search(layers, ({ kernel, inputs }) =>
    kernel > 1 ? inputs === channels : Number.isInteger(Math.sqrt(inputs / channels)),
  );
}

/**
 * Adds batch normalization. In a Sequential, one right after its layer is before the ReLU, and one further on is after
 * it. Elsewhere the names do not tell, and it is assumed to be before the ReLU, as usual.
 */
function withNorms(
  path: string,
  named: Named,
  layers: readonly ForeignLayer[],
  features: string,
  prefix: string,
  epsilon: number,
): NamedClassifier {
  const remarks: string[] = [];
  const all = withinPrefix(
    [...named.keys()]
      .filter((name) => name.endsWith('.running_mean') && !name.startsWith(features))
      .map((name) => name.slice(0, -'.running_mean'.length))
      .filter((name) => isNorm(named, name))
      .sort(byNumbers),
    prefix,
  ).filter((name) => !/(^|\.)bn\d_\d/.test(name));
  const after = new Map<ForeignLayer, ForeignNorm[]>();
  const before = new Map<ForeignLayer, ForeignNorm[]>();
  const add = (map: Map<ForeignLayer, ForeignNorm[]>, layer: ForeignLayer, norm: ForeignNorm) =>
    map.set(layer, [...(map.get(layer) ?? []), norm]);
  const sizes = layers.map((layer) => fullyConnectedSize(layer));
  let unplaced = 0;
  for (const name of all) {
    const norm = torchNorm(path, named, name, epsilon);
    const [count = 0] = norm.mean.shape;
    const place = placeOf(name);
    const neighbors = layers.map((layer) => placeOf(layer.name));
    const previous = neighbors.findLastIndex((at) => at.stem === place.stem && at.number < place.number);
    const next = neighbors.findIndex((at) => at.stem === place.stem && at.number > place.number);
    if (previous >= 0 && place.number === neighbors[previous]!.number + 1)
      add(after, layers[previous]!, norm);
    else if (next >= 0 && (previous >= 0 || next === 0)) add(before, layers[next]!, norm);
    else {
      // Otherwise the n-th normalization belongs to the n-th layer with as many outputs.
      const at = sizes.findIndex((size, index) => index >= unplaced && size?.outputs === count);
      if (at < 0) {
        throw new UserError(
          `${path} has the batch normalization ${name} of ${count} values, which follows none of ${layers.map((layer) => layer.name).join(', ')}; import only the convolutions with --features-only`,
        );
      }
      unplaced = at + 1;
      add(after, layers[at]!, norm);
      remarks.push(`${name} is assumed to be between ${layers[at]!.name} and its ReLU`);
    }
  }
  const complete = layers.map((layer) => ({
    ...layer,
    norms: after.get(layer) ?? [],
    inputNorms: before.get(layer) ?? [],
  }));
  return { layers: complete, remarks };
}

/** `classifier.4` is number 4 of `classifier`. */
function placeOf(name: string): { stem: string; number: number } {
  const [, stem = name, number = 'NaN'] = /^(.*?)\.?(\d+)$/.exec(name) ?? [];
  return { stem, number: Number(number) };
}
