/**
 * Reads the layers of a Keras file with their tensors. Keras writes them in two ways. Before version 3, and still in .h5,
 * there is one group per layer, in the order of the attribute `layer_names`, each with the names of its tensors in
 * `weight_names`. In .weights.h5 and .keras, there is a tree of objects with numbered variables.
 */
import { datasetTensor } from '../../containers/hdf5/dataset.ts';
import type { Group } from '../../containers/hdf5/hdf5-reader.ts';
import type { Hdf5Source } from '../../containers/hdf5/hdf5-source.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

export interface KerasLayer {
  readonly name: string;
  /** `kernel`, `bias`, `gamma`, `beta`, `moving_mean`, `moving_variance`, or the variable's number. */
  readonly tensors: ReadonlyMap<string, SourceTensor>;
}

/** The layers that have tensors, in the file's order. */
export function readKerasLayers(source: Hdf5Source, root: Group): KerasLayer[] {
  const old = root.groups.get('model_weights') ?? root;
  return old.attributes.has('layer_names') || old.attributes.has('layer_names0')
    ? namedLayers(source, old)
    : numberedLayers(source, root);
}

/** Keras splits a list that does not fit into one attribute: `layer_names0`, `layer_names1`, … */
function stringsOf({ attributes }: Group, name: string): readonly string[] {
  const whole = attributes.get(name);
  if (whole) return whole;
  const parts: string[] = [];
  for (let i = 0; attributes.has(`${name}${i}`); i++) parts.push(...attributes.get(`${name}${i}`)!);
  return parts;
}

function namedLayers(source: Hdf5Source, group: Group): KerasLayer[] {
  const layers = new Map<string, Map<string, SourceTensor>>();
  for (const outer of stringsOf(group, 'layer_names')) {
    const layerGroup = group.groups.get(outer);
    if (!layerGroup) continue;
    for (const path of stringsOf(layerGroup, 'weight_names')) {
      const tensor = findDataset(source, layerGroup, path);
      const { layer, kind } = splitName(outer, path);
      const tensors = layers.get(layer) ?? new Map<string, SourceTensor>();
      layers.set(layer, tensors.set(kind, tensor));
    }
  }
  return [...layers].map(([name, tensors]) => ({ name, tensors }));
}

function findDataset(source: Hdf5Source, group: Group, path: string): SourceTensor {
  const steps = path.split('/');
  const last = steps.pop()!;
  let at: Group | undefined = group;
  for (const step of steps) at = at?.groups.get(step);
  const dataset = at?.datasets.get(last);
  if (!dataset) throw source.broken(`it lists the weight ${path} of ${group.path}, which is missing`);
  return datasetTensor(source, dataset);
}

/** Keras 1's names of tensors. */
const OLD_KINDS: Readonly<Record<string, string>> = {
  W: 'kernel',
  b: 'bias',
  running_mean: 'moving_mean',
  running_std: 'moving_variance',
};

/**
 * `block1_conv1/kernel:0`, `vgg16/block1_conv1/kernel`, or Keras 1's `block1_conv1_W_1:0`: the last group is the
 * layer, even in nested models.
 */
function splitName(outer: string, path: string): { layer: string; kind: string } {
  const steps = path.replace(/:\d+$/, '').split('/');
  const last = steps.pop()!;
  const layer = steps.at(-1) ?? outer;
  const old = new RegExp(`^${escaped(layer)}_(W|b|gamma|beta|running_mean|running_std)(_\\d+)?$`).exec(last);
  return { layer, kind: old ? (OLD_KINDS[old[1]!] ?? old[1]!) : last };
}

function escaped(text: string): string {
  return text.replace(/[^\w]/g, '\\$&');
}

/** Names of variables 0, 1, … by the class in the group's name. */
const variables: Readonly<Record<string, readonly string[]>> = {
  conv2d: ['kernel', 'bias'],
  dense: ['kernel', 'bias'],
  batch_normalization: ['gamma', 'beta', 'moving_mean', 'moving_variance'],
};

function numberedLayers(source: Hdf5Source, root: Group): KerasLayer[] {
  const found: { layer: KerasLayer; order: readonly [string, number] }[] = [];
  const visit = (group: Group, name: string): void => {
    if (/^optimizer$/.test(name)) return;
    const vars = group.groups.get('vars');
    if (vars && vars.datasets.size > 0) {
      const [, kind = name, number = '0'] = /^(.*?)(?:_(\d+))?$/s.exec(name)!;
      const tensors = new Map(
        [...vars.datasets].map(([index, dataset]) => [
          variables[kind]?.[Number(index)] ?? index,
          datasetTensor(source, dataset),
        ]),
      );
      // Newer versions store the name that the user chose.
      const [given = name] = vars.attributes.get('name') ?? [];
      found.push({ layer: { name: given, tensors }, order: [kind, Number(number)] });
    }
    for (const [child, below] of group.groups) if (child !== 'vars') visit(below, child);
  };
  visit(root, '');
  // conv2d, conv2d_1, …, conv2d_10: alphabetical order is not the order of the layers.
  found.sort((a, b) => compare(a.order[0], b.order[0]) || a.order[1] - b.order[1]);
  return found.map(({ layer }) => layer);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
