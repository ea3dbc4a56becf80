/**
 * The network in arrays that carry the names of TensorFlow's world: `conv1_1_W` and `conv1_1_b` (vgg16_weights.npz), or
 * `vgg_16/conv1/conv1_1/weights` (a checkpoint of slim saved with numpy.savez). Arrays without names (`arr_0`, `arr_1`,
 * …, Keras's `get_weights()`) are kernels and biases in turn. Any other names are those of another framework.
 */
import { UserError } from '../../../core/errors.ts';
import {
  type ForeignLayer,
  type ForeignNetwork,
  KERAS_LAYOUT,
  OUTPUTS_FIRST,
  type WeightLayout,
} from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

interface Pair {
  /** `conv1_1`, `fc6`, or undefined without names. */
  readonly layer?: string;
  readonly weight: SourceTensor;
  readonly bias?: SourceTensor;
}

/** @returns undefined if the names are not of these kinds; then src/weights/import recognizes them or not */
export function numpyNetwork(
  path: string,
  tensors: readonly SourceTensor[],
): (() => ForeignNetwork) | undefined {
  const pairs = namedPairs(tensors) ?? numberedPairs(tensors);
  return pairs && (() => networkOf(path, pairs));
}

const NAME = /(?:^|[/.])(conv\d_\d+|fc[678])(?:[_/.])(W|b|weights?|bias(?:es)?|kernel)(?::0)?$/;

function namedPairs(tensors: readonly SourceTensor[]): Pair[] | undefined {
  const parts = new Map<string, SourceTensor>();
  for (const tensor of tensors) {
    const [, layer, part] = NAME.exec(tensor.name) ?? [];
    if (layer === undefined || part === undefined) continue;
    const key = `${layer} ${part.startsWith('b') ? 'bias' : 'weight'}`;
    // Two networks in one file: the prefixes distinguish them, which is not done here.
    if (parts.has(key)) return undefined;
    parts.set(key, tensor);
  }
  const layers = [...new Set([...parts.keys()].map((key) => key.split(' ')[0]!))].sort(byPlace);
  const pairs = layers.flatMap((layer): Pair[] => {
    const weight = parts.get(`${layer} weight`);
    return weight ? [{ layer, weight, bias: parts.get(`${layer} bias`) }] : [];
  });
  return pairs.length > 0 && pairs.length === layers.length ? pairs : undefined;
}

/** conv1_1 … conv5_4, then fc6 … fc8: the order of the letters. */
function byPlace(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

function numberedPairs(tensors: readonly SourceTensor[]): Pair[] | undefined {
  const ordered = tensors.map((_, index) => tensors.find(({ name }) => name === `arr_${index}`));
  if (ordered.length === 0 || ordered.length % 2 !== 0) return undefined;
  const pairs: Pair[] = [];
  for (let i = 0; i < ordered.length; i += 2) {
    const [weight, bias] = [ordered[i], ordered[i + 1]];
    if (!weight || !bias || bias.shape.length !== 1) return undefined;
    pairs.push({ weight, bias });
  }
  return pairs;
}

function networkOf(path: string, pairs: readonly Pair[]): ForeignNetwork {
  const layout = layoutOf(path, pairs[0]!.weight);
  const isConvolution = ({ layer, weight }: Pair) =>
    layer === undefined ? weight.shape.length === 4 : layer.startsWith('conv');
  const convolutions = pairs.filter(isConvolution);
  const layerOf = ({ layer, weight, bias }: Pair): ForeignLayer => ({
    name: layer ?? weight.name,
    weight,
    bias,
    layout,
    norms: [],
    block: layer?.startsWith('conv') ? Number(layer[4]) : undefined,
  });
  return {
    convolutions: convolutions.map(layerOf),
    classifier: pairs.filter((pair) => !isConvolution(pair)).map(layerOf),
    pooling: 'floor',
    naming: pairs[0]!.layer === undefined ? 'numbered arrays' : "the paper's names (conv1_1, fc6)",
    remarks: [],
  };
}

/** The first convolution has three inputs: `[out, 3, k, k]`, or TensorFlow's `[k, k, 3, out]`. */
function layoutOf(path: string, { name, shape }: SourceTensor): WeightLayout {
  const first = shape.length === 4 && shape[1] === 3 && shape[2] === shape[3];
  const last = shape.length === 4 && shape[2] === 3 && shape[0] === shape[1];
  if (first !== last) return first ? OUTPUTS_FIRST : KERAS_LAYOUT;
  throw new UserError(
    `${path}: array ${name} is ${shape.join('×')}, but the first convolution of a VGG network is out×3×3×3 or 3×3×3×out`,
  );
}
