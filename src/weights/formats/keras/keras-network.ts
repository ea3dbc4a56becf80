/** Converts a Keras file's layers to a VGG network: by its configuration if it has one, else by names and shapes. */
import { UserError } from '../../../core/errors.ts';
import { ChainBuilder } from '../../import/chain-builder.ts';
import {
  type ForeignLayer,
  type ForeignNetwork,
  type ForeignNorm,
  KERAS_LAYOUT,
  type WeightLayout,
} from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { activationOf, type LayerConfig, numberOf } from './config.ts';
import type { KerasLayer } from './layers.ts';

/** Keras's default for BatchNormalization. */
const EPSILON = 1e-3;

/** @throws UserError naming the first layer that a VGG network does not have. */
export function kerasNetwork(
  path: string,
  layers: readonly KerasLayer[],
  config: readonly LayerConfig[] | undefined,
): ForeignNetwork {
  return config ? byConfig(path, layers, config) : byNames(path, layers);
}

function factsOf(layers: readonly KerasLayer[]) {
  const published = layers.some(({ name }) => name === 'block1_conv1');
  return {
    naming: published
      ? "the names of Keras's applications (block1_conv1, fc1)"
      : 'the names of its Keras layers',
    convention: published ? ('keras' as const) : undefined,
  };
}

function byConfig(
  path: string,
  layers: readonly KerasLayer[],
  config: readonly LayerConfig[],
): ForeignNetwork {
  const chain = new ChainBuilder(path);
  const take = tensorsInOrder(layers, config);
  let layout: WeightLayout = KERAS_LAYOUT;
  for (const layer of config) {
    if (layer.settings.data_format === 'channels_first') layout = { ...KERAS_LAYOUT, inputs: 'chw' };
    addLayer(chain, layer, take, layout);
  }
  return chain.build({ ...factsOf(layers), remarks: [] });
}

type Take = (layer: LayerConfig) => ReadonlyMap<string, SourceTensor>;

/**
 * The tensors of a layer: those under its name; in files with numbers instead of names, those of the next group of its
 * class.
 */
function tensorsInOrder(layers: readonly KerasLayer[], config: readonly LayerConfig[]): Take {
  const byName = new Map(layers.map((layer) => [layer.name, layer.tensors]));
  const named = config.every(({ className, name }) => !hasTensors(className) || byName.has(name));
  const used = new Map<string, number>();
  return ({ className, name }) => {
    if (named) return byName.get(name) ?? new Map();
    const stem = snakeCase(className);
    const number = used.get(stem) ?? 0;
    used.set(stem, number + 1);
    return byName.get(number === 0 ? stem : `${stem}_${number}`) ?? new Map();
  };
}

function hasTensors(className: string): boolean {
  return className === 'Conv2D' || className === 'Dense' || className === 'BatchNormalization';
}

/** As Keras names groups after classes: Conv2D becomes conv2d. */
function snakeCase(className: string): string {
  return className === 'BatchNormalization' ? 'batch_normalization' : className.toLowerCase();
}

/** Layers that do not change the values or come after the logits. */
const passing = new Set([
  'InputLayer',
  'Flatten',
  'Dropout',
  'SpatialDropout2D',
  'GlobalAveragePooling2D',
  'GlobalMaxPooling2D',
  'Reshape',
  'Softmax',
]);

function addLayer(chain: ChainBuilder, layer: LayerConfig, take: Take, layout: WeightLayout): void {
  const { className, name, settings } = layer;
  switch (className) {
    case 'Conv2D': {
      const weight = weightsOf(chain, layer, take, KERAS_LAYOUT);
      const kernel = weight.weight.shape[0] ?? 0;
      const same = settings.padding === 'same';
      chain.layer(weight, {
        kernel,
        padding: same ? (kernel - 1) / 2 : 0,
        stride: numberOf(settings, 'strides', 1),
      });
      addActivation(chain, layer);
      break;
    }
    case 'Dense':
      chain.layer(weightsOf(chain, layer, take, layout));
      addActivation(chain, layer);
      break;
    case 'BatchNormalization':
      chain.norm(normOf(chain, name, take(layer), settings));
      break;
    case 'MaxPooling2D': {
      const side = numberOf(settings, 'pool_size', 2);
      const window = { side, stride: numberOf(settings, 'strides', side), padding: 0 };
      chain.maxPool(name, window, settings.padding === 'same' ? 'ceil' : 'floor');
      break;
    }
    case 'Activation':
    case 'ReLU':
      addActivation(chain, className === 'ReLU' ? { ...layer, settings: { activation: 'relu' } } : layer);
      break;
    default:
      if (!passing.has(className)) throw chain.refuse(`${name} is a ${className}`);
  }
}

function addActivation(chain: ChainBuilder, { name, settings }: LayerConfig): void {
  const activation = activationOf(settings);
  if (activation === 'relu') chain.relu(name);
  else if (activation !== 'linear' && activation !== 'softmax') {
    throw chain.refuse(`${name} has the activation ${activation}`);
  }
}

function weightsOf(
  chain: ChainBuilder,
  layer: LayerConfig,
  take: Take,
  layout: WeightLayout,
): Omit<ForeignLayer, 'norms' | 'block'> {
  const tensors = take(layer);
  const weight = tensors.get('kernel');
  const bias = tensors.get('bias');
  if (!weight) throw chain.refuse(`its layer ${layer.name} has no weights`);
  return { name: layer.name, weight, layout, bias };
}

/** The numbers of a normalization's variables depend on whether it has a scale and a shift. */
function normOf(
  chain: ChainBuilder,
  name: string,
  found: ReadonlyMap<string, SourceTensor>,
  settings: LayerConfig['settings'] = {},
): ForeignNorm {
  const [scale, center] = [settings.scale !== false, settings.center !== false];
  const epsilon = numberOf(settings, 'epsilon', EPSILON);
  const kinds = [...(scale ? ['gamma'] : []), ...(center ? ['beta'] : []), 'moving_mean', 'moving_variance'];
  const ordered = [...found.values()];
  const get = (kind: string) =>
    scale && center ? found.get(kind) : (found.get(kind) ?? ordered[kinds.indexOf(kind)]);
  const [mean, variance] = [get('moving_mean'), get('moving_variance')];
  const [factor, shift] = [scale ? get('gamma') : undefined, center ? get('beta') : undefined];
  if (!mean || !variance) throw chain.refuse(`${name} has no mean and variance`);
  return { name, mean, variance, epsilon, scale: factor, shift };
}

/** For a file of weights alone: convolutions and matrices in the file's order, normalizations matched by number. */
function byNames(path: string, layers: readonly KerasLayer[]): ForeignNetwork {
  const chain = new ChainBuilder(path);
  const rank = ({ tensors }: KerasLayer) => tensors.get('kernel')?.shape.length;
  const norms = layers.filter(({ tensors }) => tensors.has('moving_mean'));
  const convolutions = layers.filter((layer) => rank(layer) === 4);
  const matrices = layers.filter((layer) => rank(layer) === 2);
  if (convolutions.length === 0) {
    throw new UserError(
      `${path} holds ${layers.length} layers with weights (${layers
        .slice(0, 3)
        .map(({ name }) => name)
        .join(', ')}); none is a convolution, so this is not a VGG network`,
    );
  }
  if (norms.length > 0 && norms.length !== convolutions.length) {
    throw chain.refuse(`it has ${convolutions.length} convolutions but ${norms.length} batch normalizations`);
  }
  const convert = (layer: KerasLayer, index: number): ForeignLayer => {
    const { name, tensors } = layer;
    const bias = tensors.get('bias');
    const normalization = rank(layer) === 4 ? norms[index] : undefined;
    const block = /^block(\d)_conv\d+$/.exec(name)?.[1];
    return {
      name,
      weight: tensors.get('kernel')!,
      layout: KERAS_LAYOUT,
      bias,
      block: block === undefined ? undefined : Number(block),
      norms: normalization ? [normOf(chain, normalization.name, normalization.tensors)] : [],
    };
  };
  return {
    ...factsOf(layers),
    convolutions: convolutions.map(convert),
    classifier: matrices.map(convert),
    pooling: 'floor',
    remarks: ['weights without a configuration: the usual pooling, activations and epsilon are assumed'],
  };
}
