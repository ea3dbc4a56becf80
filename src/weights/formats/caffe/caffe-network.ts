/** Converts Caffe's layers to a VGG network. */
import { ChainBuilder } from '../../import/chain-builder.ts';
import { type ForeignNetwork, OUTPUTS_FIRST } from '../../import/foreign-network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';

export interface CaffeLayer {
  readonly name: string;
  /** The newer name of the type: `Convolution`. */
  readonly type: string;
  readonly blobs: readonly SourceTensor[];
  /** The window of a convolution or pooling. */
  readonly window: CaffeWindow;
  /** Epsilon of a BatchNorm. */
  readonly epsilon: number;
}

export interface CaffeWindow {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly group: number;
  readonly dilation: number;
  /** PoolingParameter.pool: 0 is MAX, 1 is AVE. */
  readonly method: number;
  /** Whether a pooling covers the whole map. */
  readonly global: boolean;
  /** PoolingParameter.round_mode: 0 is CEIL. */
  readonly roundMode: number;
}

/** Layers without weights that do not change a VGG network. */
const passing = new Set([
  'Accuracy',
  'Data',
  'Dropout',
  'Flatten',
  'ImageData',
  'Input',
  'Reshape',
  'Silence',
  'Softmax',
  'SoftmaxWithLoss',
  'Split',
]);

/** Builds the network. @throws UserError naming the first layer that a VGG network does not have. */
export function caffeNetwork(path: string, layers: readonly CaffeLayer[]): ForeignNetwork {
  const chain = new ChainBuilder(path);
  for (const layer of layers) addLayer(chain, layer);
  const authors = layers.some(({ name }) => name === 'conv1_1');
  return chain.build({
    naming: authors ? "Caffe's layers under the authors' names (conv1_1, fc6)" : "Caffe's layers",
    convention: authors ? 'caffe' : undefined,
  });
}

function addLayer(chain: ChainBuilder, layer: CaffeLayer): void {
  const { name, type, blobs, window } = layer;
  switch (type) {
    case 'Convolution':
      if (window.group !== 1 || window.dilation !== 1) {
        throw chain.refuse(`${name} has ${window.group} groups and dilation ${window.dilation}`);
      }
      chain.layer(weightsOf(chain, layer), {
        kernel: window.kernel,
        padding: window.padding,
        stride: window.stride,
      });
      break;
    case 'InnerProduct':
      chain.layer(weightsOf(chain, layer));
      break;
    case 'ReLU':
      chain.relu(name);
      break;
    case 'LRN':
      chain.lrn(name);
      break;
    case 'Pooling':
      if (window.global && window.method <= 1) {
        chain.headPool(name, { method: window.method === 0 ? 'max' : 'average', side: 1 });
        break;
      }
      if (window.method !== 0) throw chain.refuse(`${name} is not a max pooling`);
      chain.maxPool(
        name,
        { side: window.kernel, stride: window.stride, padding: window.padding },
        window.roundMode === 0 ? 'ceil' : 'floor',
      );
      break;
    case 'BatchNorm':
      addBatchNorm(chain, layer);
      break;
    case 'Scale':
      addScale(chain, layer, blobs);
      break;
    default:
      if (!passing.has(type)) throw chain.refuse(`${name} is a layer of type ${type}`);
  }
}

function weightsOf(chain: ChainBuilder, { name, blobs }: CaffeLayer) {
  const [weight, bias] = blobs;
  if (!weight) throw chain.refuse(`${name} has no weights`);
  return { name, weight, layout: OUTPUTS_FIRST, bias };
}

/** BatchNorm's blobs are the sums of means and of variances, and their divisor. */
function addBatchNorm(chain: ChainBuilder, { name, blobs, epsilon }: CaffeLayer): void {
  const [mean, variance, divisor] = blobs;
  if (!mean || !variance) throw chain.refuse(`${name} has no mean and variance`);
  chain.norm({ name, mean, variance, epsilon, divisor });
}

/** The layer that multiplies and adds after BatchNorm: a normalization with mean 0 and variance 1. */
function addScale(chain: ChainBuilder, { name }: CaffeLayer, [scale, shift]: readonly SourceTensor[]): void {
  if (!scale) throw chain.refuse(`${name} has no factors`);
  const constant = (value: number): SourceTensor => ({
    name: `${name} (constant)`,
    type: 'F32',
    shape: scale.shape,
    async read(visit) {
      const [count = 0] = scale.shape;
      visit(new Float32Array(count).fill(value), 0);
    },
  });
  chain.norm({ name, mean: constant(0), variance: constant(1), epsilon: 0, scale, shift });
}
