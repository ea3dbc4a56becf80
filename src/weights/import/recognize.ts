/** Determines from shapes alone which network of Table 1 a file's tensors form. */
import { UserError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import { formatHeadPool, type HeadPool, MAX_HIDDEN_LAYERS, usualHidden } from '../../net/classifier.ts';
import {
  type Block,
  type ConfigurationName,
  configurationNames,
  configurations,
} from '../../net/configurations.ts';
import { buildNetwork, type Network } from '../../net/network.ts';
import {
  convolutionSize,
  type ForeignLayer,
  type ForeignNetwork,
  fullyConnectedSize,
  type LayerSize,
} from './foreign-network.ts';

export interface RecognizeOptions {
  /** Chooses between A and A-LRN, whose shapes are the same. Any other value must match the shapes. */
  readonly configuration?: ConfigurationName;
  /** Default: the file's. */
  readonly pooling?: Network['pooling'];
  /** Pooling before the classifier, if the file does not determine it (default: none). */
  readonly headPool?: HeadPool | 'none';
  /** Side of the crop, if the network pools before its classifier (default: the file's input size, or 224). */
  readonly crop?: number;
}

/** The crop of a network whose file does not tell. */
const USUAL_CROP = 224;
/** Channels of the last block at full width. */
const LAST_CHANNELS = 512;

/** What the shapes of the fully connected layers imply. */
type Classifier = Pick<Network, 'hidden' | 'classes' | 'crop' | 'headPool'>;

/**
 * Determines configuration, width, crop and classes. Without fully connected layers it assumes 1000 classes and a crop
 * of 224.
 * @throws UserError naming the file, the tensor, its shape and the expected one.
 */
export function recognize(path: string, foreign: ForeignNetwork, options: RecognizeOptions = {}): Network {
  const sizes = foreign.convolutions.map((layer) => sizeOrRefuse(path, layer, convolutionSize(layer)));
  const configuration = configurationOf(path, foreign, sizes, options);
  const classifier = classifierOf(path, foreign, sizes.at(-1)!, options);
  const width = widthOf(path, configuration, sizes, classifier);
  const network = buildNetwork({
    configuration,
    width,
    pooling: options.pooling ?? foreign.pooling,
    ...classifier,
  });
  checkBlocks(path, foreign, configuration);
  return network;
}

function sizeOrRefuse(path: string, { weight }: ForeignLayer, size: LayerSize | undefined): LayerSize {
  if (size) return size;
  throw new UserError(
    `${path}: tensor ${weight.name} is ${formatShape(weight.shape)}, which is not a square convolution; this is not a network of Table 1`,
  );
}

/** Kernels of the convolutions of a configuration, in order. */
function kernelsOf(name: ConfigurationName): number[] {
  return (configurations[name] as readonly Block[])
    .flat()
    .filter((entry) => entry !== 'LRN')
    .map((entry) => Number(entry.split('-')[0]));
}

function configurationOf(
  path: string,
  foreign: ForeignNetwork,
  sizes: readonly LayerSize[],
  { configuration: wanted }: RecognizeOptions,
): ConfigurationName {
  const kernels = sizes.map(({ kernel }) => kernel).join();
  const fitting = configurationNames.filter((name) => kernelsOf(name).join() === kernels);
  const byShape = fitting.filter((name) => (name === 'A-LRN') === (foreign.lrn ?? wanted === 'A-LRN'))[0];
  if (!byShape) {
    throw new UserError(
      `${path} is not a network of Table 1: it has ${sizes.length} convolutions with kernels of ${describeKernels(sizes)}; the networks have ${configurationNames.map((name) => `${name} (${kernelsOf(name).length})`).join(', ')}`,
    );
  }
  if (wanted !== undefined && wanted !== byShape) {
    throw new UserError(
      `${path} is network ${byShape} by the shapes of its tensors, not ${wanted}; leave --config out`,
    );
  }
  return byShape;
}

function describeKernels(sizes: readonly LayerSize[]): string {
  return [...new Set(sizes.map(({ kernel }) => `${kernel}×${kernel}`))].join(', ');
}

function classifierOf(
  path: string,
  foreign: ForeignNetwork,
  last: LayerSize,
  options: RecognizeOptions,
): Classifier | undefined {
  const layers = foreign.classifier;
  const [first] = layers;
  if (!first) return undefined;
  if (layers.length > MAX_HIDDEN_LAYERS + 1) {
    throw new UserError(
      `${path} has ${layers.length} fully connected layers (${layers.map(({ name }) => name).join(', ')}); at most ${MAX_HIDDEN_LAYERS + 1} are supported; import only the convolutions with --features-only`,
    );
  }
  const sizes = layers.map((layer) => sizeOrRefuse(path, layer, fullyConnectedSize(layer)));
  const { kernel, inputs } = sizes[0]!;
  const side = kernel > 1 ? kernel : Math.sqrt(inputs / last.outputs);
  if (!Number.isInteger(side) || side < 1 || (kernel > 1 && inputs !== last.outputs)) {
    refuseShape(
      path,
      first,
      `inputs in the number of ${last.outputs} channels times the square of a whole number`,
    );
  }
  for (const [index, size] of sizes.entries()) {
    const from = sizes[index - 1];
    if (from && (size.kernel !== 1 || size.inputs !== from.outputs)) {
      refuseShape(path, layers[index]!, `${from.outputs} inputs`);
    }
  }
  const units = sizes.map(({ outputs }) => outputs);
  const classes = units.pop()!;
  if (classes < 2) refuseShape(path, layers.at(-1)!, 'two classes or more');
  return { hidden: units, classes, ...inputOf(path, foreign, side, options) };
}

/** The crop, and the pooling before the classifier, whose first layer takes side × side values per channel. */
function inputOf(
  path: string,
  foreign: ForeignNetwork,
  side: number,
  options: RecognizeOptions,
): Pick<Classifier, 'crop' | 'headPool'> {
  const { headPool: given, crop } = options;
  const stated = foreign.headPool && formatStated(foreign.headPool);
  if (given && stated && formatStated(given) !== stated) {
    throw new UserError(
      `${path} has the pooling ${stated} before its classifier, not ${formatStated(given)}; leave --head-pool out`,
    );
  }
  const pool = foreign.headPool ?? given ?? 'none';
  if (pool === 'none') {
    if (crop !== undefined && crop !== 32 * side) {
      throw new UserError(
        `${path} was trained on crops of ${32 * side} pixels, not ${crop}, as its classifier takes maps of ${side}×${side}; leave --crop out, or give --head-pool if a pooling precedes the classifier`,
      );
    }
    return { crop: 32 * side };
  }
  if (pool.side !== side) {
    throw new UserError(
      `${path} pools maps to ${pool.side}×${pool.side} before its classifier, which takes ${side}×${side} values per channel; ${given ? `give --head-pool average-${side}` : 'the file is damaged'}`,
    );
  }
  return { headPool: pool, crop: crop ?? foreign.inputSide ?? USUAL_CROP };
}

function formatStated(pool: HeadPool | 'none'): string {
  return pool === 'none' ? pool : formatHeadPool(pool);
}

function refuseShape(path: string, { weight }: ForeignLayer, expected: string): never {
  throw new UserError(
    `${path}: tensor ${weight.name} is ${formatShape(weight.shape)}, but it should have ${expected}; this is not a network of Table 1 (--features-only imports only its convolutions)`,
  );
}

/** The width that gives all the numbers of channels, and of hidden units if these are as usual at some width. */
function widthOf(
  path: string,
  configuration: ConfigurationName,
  sizes: readonly LayerSize[],
  classifier: Classifier | undefined,
): number {
  const exact = sizes.at(-1)!.outputs / LAST_CHANNELS;
  const [units = 0] = classifier?.hidden ?? [];
  const candidates = [...(units > 0 ? widthsNear(units / usualHidden(1)[0]!) : []), ...widthsNear(exact)];
  const fitting = candidates.filter((width) => fits(configuration, width, sizes) === undefined);
  const usual = fitting.find((width) => classifier?.hidden.join() === usualHidden(width).join());
  const width = usual ?? fitting[0];
  if (width !== undefined) return width;
  const misfit = fits(configuration, exact > 0 && exact <= 16 ? exact : 1, sizes);
  throw new UserError(`${path} is not a network of Table 1: ${misfit}`);
}

/** A power of two is exact; otherwise assume the shortest decimal that gives all the channels, as a user would type it. */
function widthsNear(exact: number): number[] {
  const rounded = [1, 2, 3, 4, 5].map((digits) => Number(exact.toFixed(digits)));
  return Number.isInteger(exact * 1024) ? [exact, ...rounded] : [...rounded, exact];
}

/** What contradicts a width, or undefined. */
function fits(
  configuration: ConfigurationName,
  width: number,
  sizes: readonly LayerSize[],
): string | undefined {
  if (!(width > 0 && width <= 16)) return 'its width is not supported';
  const network = buildNetwork({ configuration, width });
  const shapes = network.parameters.filter(({ role }) => role === 'weight');
  for (const [index, { kernel, inputs, outputs }] of sizes.entries()) {
    const { name, shape } = shapes[index]!;
    const found = [outputs, inputs, kernel, kernel];
    if (shape.join() !== found.join()) {
      return `${name} of network ${configuration} at width ${width} is ${formatShape(shape)}, but the file has ${formatShape(found)}`;
    }
  }
  return undefined;
}

/** If the file determines which convolutions are between which poolings, these must match Table 1. */
function checkBlocks(path: string, { convolutions }: ForeignNetwork, configuration: ConfigurationName): void {
  const blocks = (configurations[configuration] as readonly Block[]).flatMap((block, index) =>
    block.filter((entry) => entry !== 'LRN').map(() => index + 1),
  );
  for (const [index, { name, block }] of convolutions.entries()) {
    if (block === undefined || block === blocks[index]) continue;
    throw new UserError(
      `${path} is not a network of Table 1: ${name} is in block ${block}, but in network ${configuration} it is in block ${blocks[index]} (a block ends with a max pooling)`,
    );
  }
}
