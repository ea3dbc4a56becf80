/**
 * Recognizes networks in files that hold only names and tensors. Each naming scheme knows the names of a VGG network's
 * convolutions; anything before them (`state_dict.`, `backbone.`) is a prefix. ./named-classifier.ts finds the fully
 * connected layers.
 */
import { UsageError, UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { WeightFile } from '../formats/readers.ts';
import { convolutionSize, type ForeignNetwork } from './foreign-network.ts';
import type { ImportOptions } from './import-options.ts';
import { namedClassifier, withinPrefix } from './named-classifier.ts';
import type { ConventionName } from './preprocessing.ts';
import { factsOfOperations, isHeadPool, type Operation } from './stated-operations.ts';
import { isNorm, type Named, torchLayer, torchNorm } from './torch-layers.ts';

/** Prefix of the optimizer's tensors in our own checkpoints. */
const OPTIMIZER = 'optimizer.';
/** PyTorch's default for batch normalization. */
const TORCH_EPSILON = 1e-5;

/**
 * The network in a file of named tensors.
 * @throws UserError naming the file and some of its tensors if the names are unknown, or the prefixes if there are
 *   several networks.
 */
export function networkByNames(file: WeightFile, options: ImportOptions = {}): ForeignNetwork {
  const named: Named = new Map(
    file.tensors
      .filter(({ name }) => !name.startsWith(OPTIMIZER))
      .map((tensor) => [withoutWrappers(tensor.name), tensor]),
  );
  const wanted = options.prefix === undefined ? undefined : withoutWrappers(options.prefix);
  const found = schemes.flatMap((scheme) => {
    const prefixes = prefixesOf(named, scheme.first).filter(
      (prefix) => wanted === undefined || prefix === wanted || prefix === `${wanted}.`,
    );
    return prefixes.map((prefix) => ({ scheme, prefix }));
  });
  const [only, another] = found;
  if (!only) throw unknownNames(file, options);
  if (another) {
    const prefixes = found.map(({ prefix }) => JSON.stringify(prefix)).join(', ');
    throw new UserError(`${file.path} holds several networks, under ${prefixes}; choose one with --prefix`);
  }
  return withOperations(file, only, named, options);
}

/** Reads the network, and what the file lists of its computations. */
function withOperations(
  { path, operations }: WeightFile,
  { scheme, prefix }: { scheme: Scheme; prefix: string },
  named: Named,
  options: ImportOptions,
): ForeignNetwork {
  if (!operations) return scheme.read(path, named, prefix, options);
  const list = operations.areAll ? operations.list : partsOf(operations.list, prefix);
  const convolutions = [...named.values()].filter(({ shape }) => shape.length === 4);
  const kernels = new Set(convolutions.map(({ shape }) => shape[2]!));
  const facts = factsOfOperations(path, { ...operations, list }, kernels, options);
  const { epsilon, headPool, pooling, inputSide } = facts;
  if (epsilon !== undefined && options.batchNormEpsilon !== undefined) {
    throw new UsageError(`${path} has its own epsilon, so --bn-epsilon does not apply to it; leave it out`);
  }
  const network = scheme.read(path, named, prefix, { batchNormEpsilon: epsilon, ...options });
  // A classifier of convolutions (timm) takes the map itself and pools after them.
  const [first] = network.classifier;
  const takesMap = first !== undefined && (convolutionSize(first)?.kernel ?? 0) > 1;
  return {
    ...network,
    inputSide,
    pooling: pooling ?? network.pooling,
    headPool: takesMap ? undefined : headPool,
  };
}

/** The parts of the network under a prefix, and poolings beside it if it has none. */
function partsOf(list: readonly Operation[], prefix: string): Operation[] {
  const places = list.map((operation) => ({ ...operation, name: withoutWrappers(operation.name) }));
  const inside = places.filter(({ name }) => name.startsWith(prefix));
  const pools = places.filter(isHeadPool).map(({ name }) => name);
  const near = new Set(withinPrefix(pools, prefix));
  return [...inside.filter((part) => !isHeadPool(part)), ...places.filter((part) => near.has(part.name))];
}

/**
 * A name without what PyTorch's wrappers insert: `module` (DataParallel, DistributedDataParallel, AveragedModel), at any
 * place, and `_orig_mod` (torch.compile).
 */
function withoutWrappers(name: string): string {
  return name
    .split('.')
    .filter((part) => part !== 'module' && part !== '_orig_mod')
    .join('.');
}

interface Scheme {
  /** The name of the first convolution's weight; anything before it is the prefix. */
  readonly first: RegExp;
  read(path: string, named: Named, prefix: string, options: ImportOptions): ForeignNetwork;
}

function prefixesOf(named: Named, first: RegExp): string[] {
  return [...named.keys()].flatMap((name) => {
    const match = first.exec(name);
    return match ? [name.slice(0, match.index)] : [];
  });
}

const schemes: readonly Scheme[] = [
  { first: /(?<=^|\.)features\.0\.weight$/, read: (...args) => readTorchvision('features.', ...args) },
  // For the state_dict of `vgg.features` alone.
  { first: /^0\.weight$/, read: (...args) => readTorchvision('', ...args) },
  { first: /(?<=^|\.)conv_?1_1\.weight$/, read: readCanonical },
];

/** torchvision's and timm's `features.N`. */
function readTorchvision(
  features: string,
  path: string,
  named: Named,
  prefix: string,
  options: ImportOptions,
): ForeignNetwork {
  const epsilon = options.batchNormEpsilon ?? TORCH_EPSILON;
  const stem = prefix + features;
  const numbers = [...named.keys()]
    .filter((name) => name.startsWith(stem) && /^(0|[1-9]\d*)\.weight$/.test(name.slice(stem.length)))
    .map((name) => Number.parseInt(name.slice(stem.length), 10))
    .sort((a, b) => a - b);
  const isConvolution = (number: number) => named.get(`${stem}${number}.weight`)!.shape.length === 4;
  const convolutions = numbers.filter(isConvolution);
  const layers = convolutions.map((number) => {
    const norm = isNorm(named, `${stem}${number + 1}`)
      ? [torchNorm(path, named, `${stem}${number + 1}`, epsilon)]
      : [];
    return torchLayer(path, named, `${stem}${number}`, norm);
  });
  const normalized = layers.some(({ norms }) => norms.length > 0);
  const { blocks, lrn } = blocksOfNumbers(path, stem, convolutions, normalized);
  const classifier = namedClassifier(
    path,
    named,
    { prefix, features: stem, epsilon },
    layers.at(-1)!,
    options,
  );
  const owner = named.has(`${prefix}pre_logits.fc1.weight`) ? 'timm' : 'torchvision';
  return {
    convolutions: layers.map((layer, index) => ({ ...layer, block: blocks[index]! })),
    classifier: classifier.layers,
    lrn,
    pooling: 'floor' satisfies PoolingRounding,
    naming: `${owner}'s names`,
    convention: 'torchvision' satisfies ConventionName,
    assumption:
      layers[0]!.norms.length === 0
        ? `assumed to be ${owner}'s weights because of the names; weights converted from Caffe under these names need --convention caffe`
        : undefined,
    remarks: classifier.remarks,
  };
}

/**
 * Determines the block of each convolution, and whether the first has local response normalization. The numbers count
 * the modules of a Sequential: a convolution, its batch normalization if there is one, its ReLU and, at the end of a
 * block, a pooling, which has no tensors but leaves a gap.
 * @throws UserError if the numbers leave any other gap.
 */
function blocksOfNumbers(
  path: string,
  stem: string,
  numbers: readonly number[],
  normalized: boolean,
): { blocks: number[]; lrn: boolean } {
  const step = normalized ? 3 : 2;
  const lrn = numbers[1] === numbers[0]! + step + 2;
  const blocks: number[] = [];
  for (const [index, number] of numbers.entries()) {
    const before = numbers[index - 1];
    const gap = before === undefined ? step : number - before;
    const pooled = gap === step + 1 || (lrn && index === 1);
    if (!pooled && gap !== step) {
      throw new UserError(
        `${path}: ${stem}${number} follows ${stem}${before}, but in a VGG network the next convolution is ${step} modules later, or ${step + 1} across a pooling; this is another network`,
      );
    }
    blocks.push((blocks.at(-1) ?? 1) + Number(pooled));
  }
  return { blocks, lrn };
}

/** Our own names, which are Caffe's: conv1_1 … conv5_3, or conv_1_1 …; fc6, fc7, fc8. */
function readCanonical(path: string, named: Named, prefix: string, options: ImportOptions): ForeignNetwork {
  const epsilon = options.batchNormEpsilon ?? TORCH_EPSILON;
  const layers = [...named.keys()]
    .filter((name) => name.startsWith(prefix))
    .map((name) => /^(conv_?(\d)_(\d+))\.weight$/.exec(name.slice(prefix.length)))
    .filter((match) => match !== null)
    .map(([, name, block, place]) => ({ name: name!, block: Number(block), place: Number(place) }))
    .sort((a, b) => a.block - b.block || a.place - b.place);
  const convolutions = layers.map(({ name, block }) => {
    const norm = prefix + name.replace('conv', 'bn');
    const norms = isNorm(named, norm) ? [torchNorm(path, named, norm, epsilon)] : [];
    return { ...torchLayer(path, named, prefix + name, norms), block };
  });
  const places = { prefix, features: `${prefix}conv`, epsilon };
  const classifier = namedClassifier(path, named, places, convolutions.at(-1)!, options);
  return {
    convolutions,
    classifier: classifier.layers,
    pooling: 'floor',
    naming: "the paper's names (conv1_1, fc6)",
    remarks: classifier.remarks,
  };
}

function unknownNames(file: WeightFile, { prefix }: ImportOptions): UserError {
  const names = file.tensors.map(({ name }) => name);
  const shown = names.slice(0, 3).join(', ');
  const known =
    'features.0.weight (torchvision, timm), conv1_1.weight (Caffe, verydeep) or block1_conv1 (Keras)';
  if (names.length === 0)
    return new UserError(`${file.path} holds no tensors; give a file with a model's weights`);
  const where = prefix === undefined ? '' : ` under --prefix ${prefix}`;
  const guess = names.some((name) => /(^|\.)layer\d\.\d/.test(name)) ? ', but those of a ResNet' : '';
  return new UserError(
    `${file.path} holds ${names.length} tensors (${shown}${names.length > 3 ? ', …' : ''}), which are not a VGG network's${where}${guess}: expected ${known}`,
  );
}
