/** Writes a complete Keras model as .h5, which `load_model` and `load_weights` of Keras 2 and 3 both read. */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { UsageError } from '../../../core/errors.ts';
import type { ConvolutionLayer, Layer } from '../../../core/layer.ts';
import { fullyConnectedLayers, type Network } from '../../../net/network.ts';
import { type DatasetSpec, type GroupSpec, hdf5File } from '../../containers/hdf5/hdf5-writer.ts';
import { checkGlobal, type ExportedModel, isFullyConnected } from '../../export/exported-model.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import { METADATA_DATASET } from './reader.ts';

/** Number of values transposed at a time. */
const BAND_VALUES = 2 ** 20;

/**
 * @throws UsageError for A-LRN: Keras has no local response normalization.
 * @throws UserError when the file cannot be written.
 */
export async function writeKeras(path: string, exported: ExportedModel): Promise<readonly string[]> {
  const { network } = exported.model;
  checkGlobal(network, 'Keras has');
  if (network.layers.some(({ kind }) => kind === 'lrn')) {
    throw new UsageError(
      'Keras has no local response normalization, which A-LRN needs; write .onnx or .caffemodel',
    );
  }
  const layers = kerasLayers(exported);
  const groups = Object.fromEntries(layers.map(({ name, group }) => [name, group]));
  const metadata = Buffer.from(JSON.stringify(exported.metadata));
  const root: GroupSpec = {
    attributes: {
      backend: 'tensorflow',
      keras_version: '2.15.0',
      model_config: JSON.stringify({
        class_name: 'Sequential',
        config: {
          name: `vgg_${network.configuration.replace('-', '_')}`,
          layers: layers.map(({ config }) => config),
        },
      }),
    },
    groups: {
      model_weights: {
        attributes: {
          layer_names: layers.map(({ name }) => name),
          backend: 'tensorflow',
          keras_version: '2.15.0',
        },
        groups,
      },
    },
    datasets: { [METADATA_DATASET]: { shape: [metadata.length], type: 'U8', content: () => [metadata] } },
  };
  await writeFileAtomically(path, hdf5File(root));
  return [path];
}

interface KerasLayer {
  readonly name: string;
  readonly config: { readonly class_name: string; readonly config: Readonly<Record<string, unknown>> };
  readonly group: GroupSpec;
}

function kerasLayers({ model: { network }, tensors }: ExportedModel): KerasLayer[] {
  const side = network.crop;
  const layers = [
    plain('InputLayer', 'image', { batch_input_shape: [null, side, side, 3], dtype: 'float32' }),
  ];
  for (const layer of network.layers) {
    if (layer.name === 'fc6' && !network.headPool) {
      layers.push(plain('Flatten', 'flatten', { data_format: 'channels_last' }));
    }
    layers.push(...kerasLayer(layer, network, tensors));
  }
  return layers;
}

function kerasLayer(layer: Layer, network: Network, tensors: ExportedModel['tensors']): KerasLayer[] {
  switch (layer.kind) {
    case 'convolution':
      return [isFullyConnected(layer) ? dense(layer, network, tensors) : convolution(layer, tensors)];
    case 'maxPool':
      return [
        plain('MaxPooling2D', layer.name.replace(/^pool(\d)$/, 'block$1_pool'), {
          pool_size: [2, 2],
          strides: [2, 2],
          padding: layer.rounding === 'ceil' ? 'same' : 'valid',
          data_format: 'channels_last',
        }),
      ];
    case 'adaptivePool': {
      const [className, name] =
        layer.method === 'max'
          ? (['GlobalMaxPooling2D', 'max_pool'] as const)
          : (['GlobalAveragePooling2D', 'avg_pool'] as const);
      return [plain(className, name, { data_format: 'channels_last', keepdims: false })];
    }
    case 'dropout':
      return [plain('Dropout', layer.name, { rate: layer.rate })];
    default:
      // A ReLU is its convolution's activation.
      return [];
  }
}

function plain(className: string, name: string, settings: Readonly<Record<string, unknown>>): KerasLayer {
  return {
    name,
    config: { class_name: className, config: { name, ...settings } },
    group: { attributes: { weight_names: [] } },
  };
}

function convolution(layer: ConvolutionLayer, tensors: ExportedModel['tensors']): KerasLayer {
  const { name, kernel, inChannels, outChannels } = layer;
  const kerasName = name.replace(/^conv(\d)_(\d+)$/, 'block$1_conv$2');
  const settings = {
    filters: outChannels,
    kernel_size: [kernel, kernel],
    strides: [1, 1],
    padding: 'same',
    data_format: 'channels_last',
    activation: 'relu',
    use_bias: true,
  };
  return weighted('Conv2D', kerasName, settings, layer, [kernel, kernel, inChannels, outChannels], tensors);
}

/** Named as in Keras's applications: fc1, fc2, … and predictions. */
function dense(layer: ConvolutionLayer, network: Network, tensors: ExportedModel['tensors']): KerasLayer {
  const { kernel, inChannels, outChannels } = layer;
  const number = fullyConnectedLayers(network).indexOf(layer);
  const isLast = number === network.hidden.length;
  const settings = { units: outChannels, activation: isLast ? 'linear' : 'relu', use_bias: true };
  const shape = [inChannels * kernel ** 2, outChannels];
  return weighted('Dense', isLast ? 'predictions' : `fc${number + 1}`, settings, layer, shape, tensors);
}

function weighted(
  className: string,
  name: string,
  settings: Readonly<Record<string, unknown>>,
  layer: ConvolutionLayer,
  shape: readonly number[],
  tensors: ExportedModel['tensors'],
): KerasLayer {
  const weight = tensors.get(`${layer.name}.weight`)!;
  const bias = tensors.get(`${layer.name}.bias`)!;
  const datasets: Record<string, DatasetSpec> = {
    'kernel:0': { shape, type: 'F32', content: () => outputsLast(weight, layer) },
    'bias:0': { shape: [layer.outChannels], type: 'F32', content: () => [bytesOf(bias)] },
  };
  return {
    name,
    config: { class_name: className, config: { name, ...settings } },
    group: {
      attributes: { weight_names: [`${name}/kernel:0`, `${name}/bias:0`] },
      groups: { [name]: { datasets } },
    },
  };
}

/** A weight `[out, in, k, k]` as `[k, k, in, out]`, a band of rows at a time. */
function* outputsLast(weight: Float32Array, layer: ConvolutionLayer): Generator<Uint8Array> {
  const { outChannels: outputs, inChannels: channels, kernel } = layer;
  const area = kernel ** 2;
  const rows = area * channels;
  const perBand = Math.max(1, Math.floor(BAND_VALUES / outputs));
  for (let first = 0; first < rows; first += perBand) {
    const count = Math.min(perBand, rows - first);
    const band = new Float32Array(count * outputs);
    for (let o = 0; o < outputs; o++) {
      for (let row = 0; row < count; row++) {
        const at = first + row;
        const input = (at % channels) * area + Math.floor(at / channels);
        band[row * outputs + o] = weight[o * rows + input]!;
      }
    }
    yield bytesOf(band);
  }
}
