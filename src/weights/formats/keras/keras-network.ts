/** Converts a Keras file's layers to a VGG network: by its configuration if it has one, else by names and shapes. */
import { UserError } from '../../../core/errors.ts';
import { ChainBuilder } from '../../import/chain-builder.ts';
import {
  type ForeignLayer,
  type ForeignNetwork,
  type ForeignNorm,
  KERAS_LAYOUT,
  type PixelStep,
  type WeightLayout,
} from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import { activationOf, type LayerConfig, numberOf } from './config.ts';
import type { KerasLayer } from './layers.ts';
import { PixelOperations } from './pixel-operations.ts';

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
  const operations = new PixelOperations();
  for (const layer of config) {
    if (layer.settings.data_format === 'channels_first') layout = { ...KERAS_LAYOUT, inputs: 'chw' };
    if (!operations.add(chain, layer)) addLayer(chain, layer, take, layout);
  }
  return chain.build(factsOf(layers));
}

type Take = (layer: LayerConfig) => ReadonlyMap<string, SourceTensor>;

/**
 * The tensors of a layer: those under its name; in files with numbers instead of names, those of the next group of its
 * class.
 */
function tensorsInOrder(layers: readonly KerasLayer[], config: readonly LayerConfig[]): Take {
  const byName = new Map(layers.map((layer) => [layer.name, layer.tensors]));
  const named = config.every((layer) => !hasTensors(layer) || byName.has(layer.name));
  const used = new Map<string, number>();
  return ({ className, name }) => {
    if (named) return byName.get(name) ?? new Map();
    const stem = snakeCase(className);
    const number = used.get(stem) ?? 0;
    used.set(stem, number + 1);
    return byName.get(number === 0 ? stem : `${stem}_${number}`) ?? new Map();
  };
}

function hasTensors({ className, settings }: LayerConfig): boolean {
  if (className === 'Normalization') return settings.mean === undefined || settings.mean === null;
  return ['Conv2D', 'Dense', 'BatchNormalization'].includes(className);
}

/** As Keras names groups after classes: Conv2D becomes conv2d. */
function snakeCase(className: string): string {
  return className === 'BatchNormalization' ? 'batch_normalization' : className.toLowerCase();
}

/** Layers that do not change the values in inference or come after the logits. */
const passing = new Set(
  'InputLayer Flatten Dropout SpatialDropout2D AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Reshape Softmax'.split(
    ' ',
  ),
);

/** Augmentation, which changes images in training only. */
const augmenting = /^(Random|Auto|Aug|Cut|Mix|Grid)\w+$/;

function addLayer(chain: ChainBuilder, layer: LayerConfig, take: Take, layout: WeightLayout): void {
  const { className, name, settings } = layer;
  addInputSize(chain, settings);
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
    case 'GlobalAveragePooling2D':
    case 'GlobalMaxPooling2D':
      chain.headPool(name, { method: className === 'GlobalMaxPooling2D' ? 'max' : 'average', side: 1 });
      break;
    case 'AveragePooling2D':
      addAveragePool(chain, layer);
      break;
    case 'Rescaling':
      chain.pixels(rescaling(name, settings));
      break;
    case 'Normalization':
      chain.pixels(normalization(chain, layer, take(layer)));
      break;
    case 'Resizing':
    case 'CenterCrop':
    case 'RandomCrop':
      chain.input(numberOf(settings, 'height', Number.NaN), numberOf(settings, 'width', Number.NaN));
      chain.remark(`${name} (${className}) was left out: verydeep rescales and crops images itself`);
      break;
    case 'Activation':
    case 'ReLU':
      addActivation(chain, className === 'ReLU' ? { ...layer, settings: { activation: 'relu' } } : layer);
      break;
    default:
      if (augmenting.test(className) && chain.isEmpty) {
        chain.remark(`${name} (${className}) was left out: it changes images in training only`);
      } else if (!passing.has(className)) throw chain.refuse(`${name} is a ${className}`);
  }
}

/** `[null, height, width, channels]` of an input layer, or of the first layer of a Sequential. */
function addInputSize(chain: ChainBuilder, settings: LayerConfig['settings']): void {
  const shape = settings.batch_shape ?? settings.batch_input_shape;
  if (!chain.isEmpty || !Array.isArray(shape) || shape.length !== 4) return;
  const [, a, b, c] = shape as unknown[];
  const [height, width] = settings.data_format === 'channels_first' || a === 3 ? [b, c] : [a, b];
  if (typeof height === 'number' && typeof width === 'number') chain.input(height, width);
}

/** A pooling whose windows tile the map that the file's input gives. */
function addAveragePool(chain: ChainBuilder, { name, settings }: LayerConfig): void {
  const window = numberOf(settings, 'pool_size', 2);
  const stride = numberOf(settings, 'strides', window);
  const { mapSide } = chain;
  const tiles = mapSide !== undefined && mapSide % window === 0 && (stride === window || mapSide === window);
  if (!tiles) {
    throw chain.refuse(
      `${name} is an average pooling of ${window}×${window} of a map of ${mapSide ?? 'unknown'} side; expected windows that tile it`,
    );
  }
  if (window > 1) chain.headPool(name, { method: 'average', side: mapSide / window });
}

/** x · scale + offset, each one number or one per channel. */
function rescaling(name: string, settings: LayerConfig['settings']): PixelStep {
  const [factor, offset] = [numbersIn(settings.scale, 1), numbersIn(settings.offset, 0)];
  return { kind: 'affine', name, read: async () => ({ factor, offset }) };
}

/** Numbers in a setting, which Keras may nest: `[[[[123.7, 116.8, 103.9]]]]`. */
function numbersIn(value: unknown, fallback: number): number[] {
  if (value === undefined || value === null) return [fallback];
  if (typeof value === 'number') return [value];
  if (Array.isArray(value)) return value.flatMap((item) => numbersIn(item, fallback));
  const inner = (value as { config?: { value?: unknown } }).config?.value;
  return inner === undefined ? [Number.NaN] : numbersIn(inner, fallback);
}

/** (x − mean) / √variance, where both are settings or, after `adapt`, variables. */
function normalization(
  chain: ChainBuilder,
  { name, settings }: LayerConfig,
  found: ReadonlyMap<string, SourceTensor>,
): PixelStep {
  if (settings.invert === true) throw chain.refuse(`${name} is an inverted Normalization`);
  const valuesOf = async (key: string, index: number): Promise<number[]> => {
    if (settings[key] !== undefined && settings[key] !== null) return numbersIn(settings[key], 0);
    const tensor = found.get(key) ?? [...found.values()][index];
    if (!tensor) throw chain.refuse(`${name} has no ${key}`);
    const values: number[] = [];
    await tensor.read((part) => {
      values.push(...part);
    });
    return values;
  };
  return {
    kind: 'affine',
    name,
    async read() {
      const mean = await valuesOf('mean', 0);
      const variance = await valuesOf('variance', 1);
      // As Keras: a deviation of less than 10⁻⁷ counts as 10⁻⁷.
      const factor = variance.map((value) => 1 / Math.max(Math.sqrt(value), 1e-7));
      return { factor, offset: mean.map((value, c) => -value * (factor[c] ?? factor[0]!)) };
    },
  };
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
