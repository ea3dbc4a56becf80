import { outputsFor, type Regression } from '../core/boxes.ts';
import { UsageError } from '../core/errors.ts';
import {
  type ConvolutionLayer,
  type Layer,
  type ParameterSpec,
  type PoolingRounding,
  parameterSpecs,
  valuesIn,
} from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import {
  classifierLayers,
  formatHeadPool,
  type HeadPool,
  MAX_HIDDEN_LAYERS,
  scaledChannels,
  usualHidden,
} from './classifier.ts';
import {
  type BlockEntry,
  type ConfigurationName,
  configurationNames,
  configurations,
  isConfigurationName,
} from './configurations.ts';

export interface NetworkOptions {
  /** Network of Table 1. */
  readonly configuration: ConfigurationName;
  /** Number of classes, at least 2 (default 1000). */
  readonly classes?: number;
  /**
   * Side of the training crop in pixels (default 224). Without `headPool`, fc6 is a crop/32 × crop/32 convolution, and
   * the crop is a multiple of 32; with it, at least 32.
   */
  readonly crop?: number;
  /** Factor on the channels of every hidden layer, above 0 and at most 16 (default 1). */
  readonly width?: number;
  /** Rounding of odd sizes in max pooling: `floor` as PyTorch, `ceil` as Caffe (default `floor`). */
  readonly pooling?: PoolingRounding;
  /** Dropout rate on the hidden fully connected layers in training, from 0 to below 1 (default 0.5, section 3.1). */
  readonly dropout?: number;
  /** Units of the fully connected layers before the last: fc6, fc7, … (default: 4096 · width twice, as in Table 1). */
  readonly hidden?: readonly number[];
  /** Pooling before the fully connected layers, beyond the paper (default: none). */
  readonly headPool?: HeadPool;
  /** Boxes that the last layer gives instead of class scores (appendix A; default: none). */
  readonly boxes?: Regression;
}

type CompleteOptions = Required<Omit<NetworkOptions, 'headPool' | 'boxes'>> &
  Pick<NetworkOptions, 'headPool' | 'boxes'>;

/** A network of Table 1 as a sequence of layers. */
export interface Network extends CompleteOptions {
  readonly layers: readonly Layer[];
  /** Names and shapes of the learned tensors, in order. */
  readonly parameters: readonly ParameterSpec[];
  /** Number of convolutional and fully connected layers, which the paper calls depth. */
  readonly weightLayers: number;
  /** Number of layers before the trained part, in fine-tuning with frozen layers (default: 0). */
  readonly frozenLayers?: number;
}

/** Five poolings halve the side of the map. */
const STRIDE = 32;

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
    hidden: options.hidden ?? usualHidden(options.width ?? 1),
  };
  checkOptions(complete);
  const features = featureLayers(complete);
  const last = features.findLast((layer) => layer.kind === 'convolution')!.outChannels;
  const layers = [
    ...features,
    ...classifierLayers({ ...complete, classes: outputsOf(complete) }, last, complete.crop / STRIDE),
  ];
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
  return valuesIn(network.parameters);
}

/** Number of values that the last layer gives for a crop: class scores, or four for each box. */
export function outputsOf({ classes, boxes }: Pick<Network, 'classes' | 'boxes'>): number {
  return outputsFor(classes, boxes);
}

/** The fully connected layers (`fc6`, …), in order. The last one's outputs are the class scores. */
export function fullyConnectedLayers(network: Network): ConvolutionLayer[] {
  return network.layers.filter(
    (layer): layer is ConvolutionLayer => layer.kind === 'convolution' && layer.name.startsWith('fc'),
  );
}

/** Whether the classifier is that of Table 1: two hidden layers of 4096 · width units, without pooling before them. */
export function hasUsualHead({ hidden, headPool, width }: Network): boolean {
  return headPool === undefined && hidden.join() === usualHidden(width).join();
}

/** `global average pooling, FC-256, FC-10`, or `FC-4096, FC-4096, FC-4 (one box)`; undefined for the classifier of Table 1, or none. */
export function describeHead(network: Network): string | undefined {
  const { headPool, hidden } = network;
  if ((hasUsualHead(network) && !network.boxes) || hasFeaturesOnly(network)) return undefined;
  const pooling = !headPool
    ? []
    : headPool.side === 1
      ? [`global ${headPool.method} pooling`]
      : [`average pooling to ${headPool.side}×${headPool.side}`];
  const boxes = { single: ' (one box)', 'per-class': ' (one box per class)' };
  const suffix = network.boxes ? boxes[network.boxes] : '';
  return [...pooling, ...[...hidden, outputsOf(network)].map((units) => `FC-${units}`)].join(', ') + suffix;
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
    boxes: undefined,
    layers,
    parameters: parameterSpecs(layers),
    weightLayers: layers.filter(({ kind }) => kind === 'convolution').length,
  };
}

/** Whether a network lacks the classifier, as `featuresOnly` returns it. */
export function hasFeaturesOnly(network: Network): boolean {
  return network.classes === 0;
}

function checkOptions(options: CompleteOptions): void {
  const { configuration, classes, crop, width, dropout, hidden, headPool } = options;
  if (!isConfigurationName(configuration)) {
    throw new UsageError(
      `there is no configuration "${configuration}"; choose one of ${configurationNames.join(', ')}`,
    );
  }
  if (!Number.isInteger(classes) || classes < 2) {
    throw new UsageError(`the number of classes must be 2 or more, not ${classes}`);
  }
  if (!Number.isInteger(crop) || crop < STRIDE || (!headPool && crop % STRIDE !== 0)) {
    const allowed = headPool ? 'at least 32 pixels' : 'a multiple of 32 pixels';
    throw new UsageError(`the crop must be ${allowed}, not ${crop}`);
  }
  if (!(width > 0 && width <= 16)) {
    throw new UsageError(`the width must be above 0 and at most 16, not ${width}`);
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new UsageError(`the dropout rate must be at least 0 and below 1, not ${dropout}`);
  }
  if (hidden.length > MAX_HIDDEN_LAYERS || !hidden.every((units) => Number.isInteger(units) && units >= 1)) {
    throw new UsageError(
      `the hidden layers must be at most ${MAX_HIDDEN_LAYERS} numbers of units from 1 up, not ${hidden.join(', ')}`,
    );
  }
  if (headPool && (headPool.side < 1 || (headPool.method === 'max' && headPool.side !== 1))) {
    throw new UsageError(
      `the pooling before the classifier must be average, max or average-k (to k×k), not ${formatHeadPool(headPool)}`,
    );
  }
}

function featureLayers({ configuration, width, pooling }: CompleteOptions): Layer[] {
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
        outChannels: scaledChannels(outChannels, width),
      };
      layers.push(convolution, { kind: 'relu', name: `relu${name}` });
      channels = convolution.outChannels;
    }
    layers.push({ kind: 'maxPool', name: `pool${number}`, rounding: pooling });
  }
  return layers;
}
