/**
 * Describes weight files in a page: of any format, by the readers of `vgg convert`. The readers import parts of Node; the
 * page replaces these by files that the visitor dropped (web/src/weights/node).
 */
import { UserError } from '../core/errors.ts';
import type { Layer } from '../core/layer.ts';
import { elementCount } from '../core/shape.ts';
import { layerCosts } from '../net/cost.ts';
import { openNpyFolder } from '../weights/formats/numpy/reader.ts';
import { openWeightFile, type WeightFile } from '../weights/formats/readers.ts';
import { INDEX_EXTENSION } from '../weights/formats/sharded/shard-index.ts';
import { describeFile, type Inspection } from '../weights/import/describe-file.ts';
import { identify, preprocessingOf } from '../weights/import/identify.ts';
import { withStatedPreprocessing } from '../weights/import/stated-facts.ts';
import { readHubFacts } from '../weights/labels/hub-config.ts';
import { withTidyMessages } from '../weights/weight-errors.ts';

export type { Inspection } from '../weights/import/describe-file.ts';

/** Statistics of a tensor's values. */
export interface TensorStatistics {
  readonly values: number;
  readonly minimum: number;
  readonly maximum: number;
  readonly mean: number;
  readonly deviation: number;
  /** Share of values that are 0. */
  readonly zeros: number;
  /** Values that are infinite or not numbers; the others count above. */
  readonly invalid: number;
  /** Number of values in equal steps from the minimum to the maximum. */
  readonly histogram: readonly number[];
}

/** The filters of the first convolution. */
export interface FirstFilters {
  readonly kernel: number;
  /** `[filters, kernel, kernel, 3]`: RGB, 0–255, each filter scaled to its own range. */
  readonly pixels: Uint8Array;
}

/** A layer of the file's network, at its crop. */
export interface FileLayer {
  readonly name: string;
  readonly kind: Layer['kind'];
  readonly kernel?: number;
  /** `[channels, height, width]` */
  readonly outputShape: [number, number, number];
  readonly parameters: number;
  /** Side of the receptive field in pixels. */
  readonly receptiveField: number;
}

export interface OpenWeightFile {
  readonly inspection: Inspection;
  /** Undefined if the file is not recognized as a network. */
  readonly layers?: readonly FileLayer[];
  /** @throws UserError when the tensor cannot be read */
  statistics(tensor: string): Promise<TensorStatistics>;
  /** Undefined if the file is not recognized as a network, or its first convolution has not three inputs. */
  filters(): Promise<FirstFilters | undefined>;
}

/**
 * Opens a weight file among some files.
 * @param names of the files: one weight file, an index and its shards, a model and its external data, or .npy files
 * @throws UserError naming the file when it is damaged or of an unknown format
 */
export function describeWeights(names: readonly string[]): Promise<OpenWeightFile> {
  return withTidyMessages(async () => {
    const file = await openOneOf(names);
    return {
      inspection: await describeFile(file),
      layers: layersOf(file),
      statistics: (tensor) => withTidyMessages(() => statisticsOf(file, tensor)),
      filters: () => filtersOf(file),
    };
  });
}

async function openOneOf(names: readonly string[]): Promise<WeightFile> {
  if (names.every((name) => name.endsWith('.npy'))) {
    const content = await openNpyFolder('.');
    return { ...content, path: names[0]!, source: 'npy files', format: 'numpy', close: async () => {} };
  }
  const path =
    names.find((name) => name.endsWith(INDEX_EXTENSION)) ??
    names.find((name) =>
      /\.(safetensors|pth|pt|bin|ckpt|pt2|onnx|caffemodel|h5|hdf5|keras|npz|mat)$/i.test(name),
    ) ??
    names[0]!;
  return { ...(await readHubFacts(path)), ...(await openWeightFile(path)), source: path };
}

const STEPS = 48;

/** Two passes, since the histogram's range is known only after the first. */
async function statisticsOf(file: WeightFile, name: string): Promise<TensorStatistics> {
  const tensor = file.tensors.find((one) => one.name === name)!;
  let [minimum, maximum] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let [count, sum, squares, zeros, invalid] = [0, 0, 0, 0, 0];
  await tensor.read((values) => {
    for (const value of values) {
      if (!Number.isFinite(value)) {
        invalid++;
        continue;
      }
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
      if (value === 0) zeros++;
      count++;
      sum += value;
      squares += value * value;
    }
  });
  const histogram = new Array<number>(STEPS).fill(0);
  const step = (maximum - minimum) / STEPS || 1;
  await tensor.read((values) => {
    for (const value of values) {
      if (Number.isFinite(value)) histogram[Math.min(STEPS - 1, Math.floor((value - minimum) / step))]!++;
    }
  });
  const mean = sum / count;
  const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
  return {
    values: count + invalid,
    minimum,
    maximum,
    mean,
    deviation,
    zeros: zeros / count,
    invalid,
    histogram,
  };
}

function layersOf(file: WeightFile): FileLayer[] | undefined {
  try {
    const { network } = identify(file);
    return layerCosts(network).map((cost, i) => {
      const layer = network.layers[i]!;
      const [, ...outputShape] = cost.outputShape;
      return {
        name: cost.name,
        kind: cost.kind,
        kernel: layer.kind === 'convolution' ? layer.kernel : undefined,
        outputShape,
        parameters: cost.parameters,
        receptiveField: cost.receptiveField.side,
      };
    });
  } catch (error) {
    if (error instanceof UserError) return undefined; // the inspection has the reason
    throw error;
  }
}

async function filtersOf(file: WeightFile): Promise<FirstFilters | undefined> {
  try {
    const identified = identify(file);
    const [first] = identified.foreign.convolutions;
    if (!first) return undefined;
    const { weight, layout } = first;
    const [a, b, c, d] = weight.shape as [number, number, number, number];
    const [filters, channels, kernel] = layout.outputsLast ? [d, c, a] : [a, b, c];
    if (weight.shape.length !== 4 || channels !== 3) return undefined;
    const values = new Float32Array(elementCount(weight.shape));
    await weight.read((part, offset) => values.set(part, offset));
    const options = withStatedPreprocessing(file, {});
    const order = await preprocessingOf(file.path, identified, options).then(
      ({ channelOrder }) => channelOrder,
      () => 'rgb' as const,
    );
    const at = (o: number, i: number, y: number, x: number) => {
      const channel = order === 'bgr' ? 2 - i : i;
      return layout.outputsLast
        ? values[((y * kernel + x) * channels + channel) * filters + o]!
        : values[((o * channels + channel) * kernel + y) * kernel + x]!;
    };
    return { kernel, pixels: pixelsOf(filters, kernel, at) };
  } catch {
    return undefined; // the inspection says why the network is not recognized
  }
}

function pixelsOf(
  filters: number,
  kernel: number,
  at: (filter: number, channel: number, y: number, x: number) => number,
): Uint8Array {
  const pixels = new Uint8Array(filters * kernel * kernel * 3);
  let next = 0;
  for (let o = 0; o < filters; o++) {
    const own: number[] = [];
    for (let y = 0; y < kernel; y++) {
      for (let x = 0; x < kernel; x++) for (let i = 0; i < 3; i++) own.push(at(o, i, y, x));
    }
    const least = Math.min(...own);
    const range = Math.max(...own) - least || 1;
    for (const value of own) pixels[next++] = Math.round((255 * (value - least)) / range);
  }
  return pixels;
}
