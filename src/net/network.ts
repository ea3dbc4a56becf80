import { UsageError } from '../core/errors.ts';
import {
  type ConvolutionLayer,
  type Layer,
  type ParameterSpec,
  type PoolingRounding,
  parameterSpecs,
} from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import {
  type BlockEntry,
  type ConfigurationName,
  configurationNames,
  configurations,
  HIDDEN_UNITS,
  isConfigurationName,
} from './configurations.ts';

export interface NetworkOptions {
  /** Network of Table 1. */
  readonly configuration: ConfigurationName;
  /** Number of classes, at least 2 (default 1000). */
  readonly classes?: number;
  /** Side of the training crop in pixels, a multiple of 32 (default 224); fc6 is a crop/32 × crop/32 convolution. */
  readonly crop?: number;
  /** Factor on the channels of every hidden layer, above 0 and at most 16 (default 1). */
  readonly width?: number;
  /** Rounding of odd sizes in max pooling: `floor` as PyTorch, `ceil` as Caffe (default `floor`). */
  readonly pooling?: PoolingRounding;
  /** Dropout rate on fc6 and fc7 in training, from 0 to below 1 (default 0.5, section 3.1). */
  readonly dropout?: number;
}

/** A network of Table 1 as a sequence of layers. */
export interface Network extends Required<NetworkOptions> {
  readonly layers: readonly Layer[];
  /** Names and shapes of the learned tensors, in order. */
  readonly parameters: readonly ParameterSpec[];
  /** Number of convolutional and fully connected layers, which the paper calls depth. */
  readonly weightLayers: number;
}

/** Constants of Krizhevsky et al. (section 2.1). */
const LRN = { size: 5, k: 2, alpha: 1e-4, beta: 0.75 } as const;

/**
 * Builds a network of Table 1. Its fully connected layers are convolutions (section 3.2), so that the same layers run
 * on a crop, with a 1×1 score map, and densely on a whole image.
 * @throws UsageError when an option is out of range.
 * @example
 * const network = buildNetwork({ configuration: 'D', classes: 10, crop: 64 });
 * network.weightLayers; // 16
 */
export function buildNetwork(options: NetworkOptions): Network {
  const complete = {
    classes: 1000,
    crop: 224,
    width: 1,
    pooling: 'floor' as const,
    dropout: 0.5,
    ...options,
  };
  checkOptions(complete);
  const layers = [...featureLayers(complete), ...classifierLayers(complete)];
  return {
    ...complete,
    layers,
    parameters: parameterSpecs(layers),
    weightLayers: layers.filter((layer) => layer.kind === 'convolution').length,
  };
}

/** `[batch, 3, crop, crop]` */
export function cropShape(network: Network, batch: number): Shape4 {
  return [batch, 3, network.crop, network.crop];
}

/**
 * Number of learned values, weights and biases.
 * @example
 * parameterCount(buildNetwork({ configuration: 'D' })); // 138357544
 */
export function parameterCount(network: Network): number {
  return network.parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** The convolutional layers before the fully connected ones (`conv1_1`, `conv1_2`, …), in order. */
export function featureConvolutions(network: Network): ConvolutionLayer[] {
  return network.layers.filter(
    (layer): layer is ConvolutionLayer => layer.kind === 'convolution' && layer.name.startsWith('conv'),
  );
}

/** A network without its classifier: the layers up to the last pooling. It has 0 classes. */
export function featuresOnly(network: Network): Network {
  const last = network.layers.findLastIndex(({ kind }) => kind === 'maxPool');
  const layers = network.layers.slice(0, last + 1);
  return {
    ...network,
    classes: 0,
    layers,
    parameters: parameterSpecs(layers),
    weightLayers: layers.filter(({ kind }) => kind === 'convolution').length,
  };
}

/** Whether a network lacks the classifier, as `featuresOnly` returns it. */
export function hasFeaturesOnly(network: Network): boolean {
  return network.classes === 0;
}

function checkOptions({ configuration, classes, crop, width, dropout }: Required<NetworkOptions>): void {
  if (!isConfigurationName(configuration)) {
    throw new UsageError(
      `there is no configuration "${configuration}"; choose one of ${configurationNames.join(', ')}`,
    );
  }
  if (!Number.isInteger(classes) || classes < 2) {
    throw new UsageError(`the number of classes must be 2 or more, not ${classes}`);
  }
  if (!Number.isInteger(crop) || crop < 32 || crop % 32 !== 0) {
    throw new UsageError(`the crop must be a multiple of 32 pixels, not ${crop}`);
  }
  if (!(width > 0 && width <= 16)) {
    throw new UsageError(`the width must be above 0 and at most 16, not ${width}`);
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new UsageError(`the dropout rate must be at least 0 and below 1, not ${dropout}`);
  }
}

function scaled(channels: number, width: number): number {
  return Math.max(1, Math.round(channels * width));
}

function featureLayers({ configuration, width, pooling }: Required<NetworkOptions>): Layer[] {
  const layers: Layer[] = [];
  let channels = 3;
  for (const [index, block] of configurations[configuration].entries()) {
    const number = index + 1;
    let convolutions = 0;
    for (const entry of block as readonly BlockEntry[]) {
      if (entry === 'LRN') {
        layers.push({ kind: 'lrn', name: `norm${number}`, ...LRN });
        continue;
      }
      const [kernel, outChannels] = entry.split('-').map(Number) as [number, number];
      const name = `${number}_${++convolutions}`;
      const convolution: ConvolutionLayer = {
        kind: 'convolution',
        name: `conv${name}`,
        kernel,
        padding: (kernel - 1) / 2,
        inChannels: channels,
        outChannels: scaled(outChannels, width),
      };
      layers.push(convolution, { kind: 'relu', name: `relu${name}` });
      channels = convolution.outChannels;
    }
    layers.push({ kind: 'maxPool', name: `pool${number}`, rounding: pooling });
  }
  return layers;
}

function classifierLayers(options: Required<NetworkOptions>): Layer[] {
  const { configuration, classes, crop, width, dropout } = options;
  const lastConvolution = configurations[configuration].at(-1)!.at(-1)!.split('-')[1];
  const features = scaled(Number(lastConvolution), width);
  const hidden = scaled(HIDDEN_UNITS, width);
  const fullyConnected = (name: string, kernel: number, inChannels: number, outChannels: number): Layer => ({
    kind: 'convolution',
    name,
    kernel,
    padding: 0,
    inChannels,
    outChannels,
  });
  return [
    fullyConnected('fc6', crop / 32, features, hidden),
    { kind: 'relu', name: 'relu6' },
    { kind: 'dropout', name: 'drop6', rate: dropout },
    fullyConnected('fc7', 1, hidden, hidden),
    { kind: 'relu', name: 'relu7' },
    { kind: 'dropout', name: 'drop7', rate: dropout },
    fullyConnected('fc8', 1, hidden, classes),
  ];
}
