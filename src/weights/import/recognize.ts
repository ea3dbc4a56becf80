/** Determines from shapes alone which network of Table 1 a file's tensors form. */
import { UserError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import {
  type Block,
  type ConfigurationName,
  configurationNames,
  configurations,
  HIDDEN_UNITS,
} from '../../net/configurations.ts';
import { buildNetwork, type Network } from '../../net/network.ts';
import {
  convolutionSize,
  type ForeignLayer,
  type ForeignNetwork,
  fullyConnectedSize,
  type LayerSize,
} from './foreign-network.ts';

interface RecognizeOptions {
  /** Chooses between A and A-LRN, whose shapes are the same. Any other value must match the shapes. */
  readonly configuration?: ConfigurationName;
  /** Default: the file's. */
  readonly pooling?: Network['pooling'];
}

/** Channels of the last block at full width. */
const LAST_CHANNELS = 512;

/** What the shapes of the fully connected layers imply. */
interface Classifier {
  readonly hidden: number;
  readonly classes: number;
  readonly crop: number;
}

/**
 * Determines configuration, width, crop and classes. Without fully connected layers it assumes 1000 classes and a crop
 * of 224.
 * @throws UserError naming the file, the tensor, its shape and the expected one.
 */
export function recognize(path: string, foreign: ForeignNetwork, options: RecognizeOptions = {}): Network {
  const sizes = foreign.convolutions.map((layer) => sizeOrRefuse(path, layer, convolutionSize(layer)));
  const configuration = configurationOf(path, foreign, sizes, options);
  const classifier = classifierOf(path, foreign, sizes.at(-1)!);
  const width = widthOf(path, configuration, sizes, classifier);
  const network = buildNetwork({
    configuration,
    width,
    pooling: options.pooling ?? foreign.pooling,
    ...(classifier && { classes: classifier.classes, crop: classifier.crop }),
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

function classifierOf(path: string, foreign: ForeignNetwork, last: LayerSize): Classifier | undefined {
  if (foreign.classifier.length === 0) return undefined;
  if (foreign.classifier.length !== 3) {
    throw new UserError(
      `${path} has ${foreign.classifier.length} fully connected layers (${foreign.classifier.map(({ name }) => name).join(', ')}), but the networks of Table 1 have three; import only the convolutions with --features-only`,
    );
  }
  const [fc6, fc7, fc8] = foreign.classifier.map((layer) =>
    sizeOrRefuse(path, layer, fullyConnectedSize(layer)),
  ) as [LayerSize, LayerSize, LayerSize];
  const side = fc6.kernel > 1 ? fc6.kernel : Math.sqrt(fc6.inputs / last.outputs);
  const [first, second, third] = foreign.classifier as [ForeignLayer, ForeignLayer, ForeignLayer];
  if (!Number.isInteger(side) || side < 1 || (fc6.kernel > 1 && fc6.inputs !== last.outputs)) {
    refuseShape(
      path,
      first,
      `inputs in the number of ${last.outputs} channels times the square of a whole number`,
    );
  }
  for (const [layer, size, from] of [
    [second, fc7, fc6],
    [third, fc8, fc7],
  ] as const) {
    if (size.kernel !== 1 || size.inputs !== from.outputs) refuseShape(path, layer, `${from.outputs} inputs`);
  }
  if (fc6.outputs !== fc7.outputs) refuseShape(path, second, `${fc6.outputs} outputs, like ${first.name}`);
  if (fc8.outputs < 2) refuseShape(path, third, 'two classes or more');
  return { hidden: fc6.outputs, classes: fc8.outputs, crop: 32 * side };
}

function refuseShape(path: string, { weight }: ForeignLayer, expected: string): never {
  throw new UserError(
    `${path}: tensor ${weight.name} is ${formatShape(weight.shape)}, but it should have ${expected}; this is not a network of Table 1 (--features-only imports only its convolutions)`,
  );
}

/** The width that gives all the numbers of channels. */
function widthOf(
  path: string,
  configuration: ConfigurationName,
  sizes: readonly LayerSize[],
  classifier: Classifier | undefined,
): number {
  const exact = classifier ? classifier.hidden / HIDDEN_UNITS : sizes.at(-1)!.outputs / LAST_CHANNELS;
  const rounded = [1, 2, 3, 4, 5].map((digits) => Number(exact.toFixed(digits)));
  // A power of two is exact; otherwise assume the shortest decimal that gives all the channels, as a user would type it.
  const candidates = Number.isInteger(exact * 1024) ? [exact, ...rounded] : [...rounded, exact];
  const fitting = candidates.find((width) => fits(configuration, width, sizes, classifier) === undefined);
  if (fitting !== undefined) return fitting;
  const misfit = fits(configuration, exact > 0 && exact <= 16 ? exact : 1, sizes, classifier);
  throw new UserError(`${path} is not a network of Table 1: ${misfit}`);
}

/** What contradicts a width, or undefined. */
function fits(
  configuration: ConfigurationName,
  width: number,
  sizes: readonly LayerSize[],
  classifier: Classifier | undefined,
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
  const hidden = shapes.at(-2)!.shape[0]!;
  if (classifier && classifier.hidden !== hidden) {
    return `fc6 and fc7 of network ${configuration} at width ${width} have ${hidden} units, but the file has ${classifier.hidden}; import only its convolutions with --features-only`;
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
