import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { WireReader } from '../../containers/protobuf/wire.ts';
import { ChainBuilder } from '../../import/chain.ts';
import { type ForeignNetwork, OUTPUTS_FIRST } from '../../import/network.ts';
import type { SourceTensor } from '../../tensors/source-tensor.ts';
import type { WeightFile } from '../weight-file.ts';
import { type CaffeLayer, type CaffeNet, readCaffeNet } from './layers.ts';

/** Opens a .caffemodel. @throws UserError when the file makes no network. */
export async function openCaffe(path: string): Promise<WeightFile> {
  const file = await RandomAccessFile.open(path);
  try {
    const wire = new WireReader(file, 'Caffe');
    const net = await readCaffeNet(wire);
    if (net.layers.length === 0) throw wire.broken('it has no layers');
    return {
      path,
      format: 'caffe',
      description: net.name ? `Caffe, net ${net.name}` : 'Caffe',
      bytes: file.size,
      tensors: net.layers.flatMap(({ blobs }) => blobs),
      metadata: net.metadata,
      network: () => caffeNetwork(path, net),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Layers that a network has around or between those that matter here. */
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

/** @throws UserError naming the first layer that a VGG network does not have. */
function caffeNetwork(path: string, { layers }: CaffeNet): ForeignNetwork {
  const chain = new ChainBuilder(path);
  for (const layer of layers) addLayer(chain, layer);
  const authors = layers.some(({ name }) => name === 'conv1_1');
  return chain.build({
    naming: authors ? "Caffe's layers under the authors' names (conv1_1, fc6)" : "Caffe's layers",
    ...(authors && { convention: 'caffe' as const }),
    remarks: [],
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
        found: window.padding,
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
      if (window.method !== 0) throw chain.refuse(`${name} pools by something else than the maximum`);
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

/** Blobs: sums of means and of variances, and what to divide them by. */
function addBatchNorm(chain: ChainBuilder, { name, blobs, epsilon }: CaffeLayer): void {
  const [mean, variance, divisor] = blobs;
  if (!mean || !variance) throw chain.refuse(`${name} has no mean and variance`);
  chain.norm({ name, mean, variance, epsilon, divisor });
}

/** A layer of its own multiplies and adds behind BatchNorm: a normalisation by mean 0 and variance 1. */
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
  chain.norm({
    name,
    mean: constant(0),
    variance: constant(1),
    epsilon: 0,
    scale,
    shift,
  });
}
