/**
 * The computations that a file lists without their order, beside tensors that its names put in order: what they determine
 * (the pooling before the classifier, epsilon, rounding), and whether there is one that a VGG network does not have.
 */
import { UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import { formatHeadPool, type HeadPool } from '../../net/classifier.ts';
import type { ImportOptions } from './import-options.ts';

/** A number, a word, a switch, or one number for each axis. */
export type Setting = number | string | boolean | readonly number[];

/** A computation of PyTorch. */
export interface Operation {
  /** The function of `torch` without a trailing underscore: `conv2d`, `adaptive_avg_pool2d`. */
  readonly kind: string;
  /** For messages: the path of the module, or the function. */
  readonly name: string;
  /** Under the names of PyTorch's parameters; those that are not constants are absent. */
  readonly settings: Readonly<Record<string, Setting>>;
}

export interface StatedOperations {
  readonly list: readonly Operation[];
  /** Whether these are all computations. Those of a module that is not run are only its parts, under their paths. */
  readonly areAll: boolean;
  /** Side of the input in pixels, if it is fixed. */
  readonly inputSide?: number;
}

interface OperationFacts {
  /** Undefined if the operations do not determine it. */
  readonly headPool?: HeadPool | 'none';
  readonly inputSide?: number;
  readonly pooling?: PoolingRounding;
  /** Of batch normalization. */
  readonly epsilon?: number;
}

/** Functions that change no values of a VGG network, are determined by its tensors, or come after the logits. */
const passing = new Set(
  [
    'relu linear addmm lrn local_response_norm',
    'dropout feature_dropout alpha_dropout feature_alpha_dropout native_dropout',
    'flatten view _unsafe_view reshape squeeze t identity clone detach alias contiguous to _to_copy lift_fresh_copy',
    'softmax log_softmax _softmax _log_softmax',
  ]
    .join(' ')
    .split(' '),
);
const arithmetic = new Set('add sub rsub mul div'.split(' '));
const normalizations = /^(_native_)?batch_norm(_legit_no_training)?$/;
/** The side of the map that the published networks flatten, to which torchvision's pool. */
const USUAL_SIDE = 7;
const USUAL_INPUT = 224;

/**
 * @param kernels the sides of the kernels of all convolutions in the file
 * @throws UserError naming the file and an operation that a VGG network does not have.
 */
export function factsOfOperations(
  path: string,
  { list, areAll, inputSide }: StatedOperations,
  kernels: ReadonlySet<number>,
  { featuresOnly = false, headPool: given }: Pick<ImportOptions, 'featuresOnly' | 'headPool'>,
): OperationFacts {
  const pools: (HeadPool | 'unclear')[] = [];
  const epsilons = new Set<number>();
  let pooling: PoolingRounding | undefined;
  for (const operation of list) {
    const { kind, settings } = operation;
    if (passing.has(kind) || isPermutedMatrix(operation)) continue;
    if (normalizations.test(kind)) {
      if (typeof settings.eps === 'number') epsilons.add(settings.eps);
    } else if (kind === 'max_pool2d') {
      checkMaxPool(path, operation);
      pooling = settings.ceil_mode === true ? 'ceil' : 'floor';
    } else if (/^_?conv(2d|olution)$/.test(kind)) checkConvolution(path, operation, kernels);
    else if (isHeadPool(operation)) pools.push(headPoolOf(operation, inputSide));
    else if (arithmetic.has(kind)) {
      throw refuse(
        path,
        `it computes ${kind} outside its layers; if that prepares its pixels, save its weights in Python, torch.save(model.state_dict(), "model.pth"), and give --mean, --std and --pixel-scale`,
      );
    } else throw refuse(path, `it computes ${describe(operation)}`);
  }
  if (epsilons.size > 1)
    throw refuse(path, `its batch normalizations have the epsilons ${[...epsilons].join(', ')}`);
  const [epsilon] = epsilons;
  const facts = { inputSide, pooling, epsilon };
  if (featuresOnly) return facts;
  const kinds = new Set(pools.map((pool) => (pool === 'unclear' ? pool : formatHeadPool(pool))));
  const [pool] = pools.filter((each) => each === 'unclear' || each.side > 0);
  if (kinds.size > 1 || pool === 'unclear') {
    if (given) return facts;
    throw new UserError(
      `${path} pools by ${list.filter(isHeadPool).map(describe).join(', ')}, which does not determine the pooling before its classifier; give --head-pool and --crop`,
    );
  }
  if (!pool) return areAll || pools.length > 0 ? { ...facts, headPool: 'none' } : facts;
  // At the usual input size it changes nothing, and its owner may want either dense evaluation.
  const isUsual = pool.side === USUAL_SIDE && (inputSide ?? USUAL_INPUT) === USUAL_INPUT;
  return isUsual ? facts : { ...facts, headPool: pool };
}

const poolKinds = new Set('adaptive_avg_pool2d adaptive_max_pool2d avg_pool2d mean amax max'.split(' '));

/** Whether it may be the pooling before a classifier. */
export function isHeadPool({ kind }: Operation): boolean {
  return poolKinds.has(kind);
}

/** A side of 0 stands for a pooling that changes nothing. */
function headPoolOf({ kind, settings }: Operation, inputSide: number | undefined): HeadPool | 'unclear' {
  const method = kind.includes('max') ? 'max' : 'average';
  if (kind === 'mean' || kind === 'amax') {
    const axes = [settings.dim ?? []].flat().map((axis) => (Number(axis) + 4) % 4);
    return axes.sort().join() === '2,3' ? { method, side: 1 } : 'unclear';
  }
  if (kind === 'avg_pool2d') {
    const window = same(settings.kernel_size);
    const stride = same(settings.stride) ?? window;
    if (window === 1 && stride === 1) return { method, side: 0 };
    const map = inputSide === undefined ? undefined : Math.floor(inputSide / 32);
    const tiles = window !== undefined && map !== undefined && map % window === 0 && stride === window;
    return tiles && !same(settings.padding) ? { method, side: map / window } : 'unclear';
  }
  const side = same(settings.output_size);
  return side !== undefined && side > 0 && (side === 1 || method === 'average')
    ? { method, side }
    : 'unclear';
}

/** A matrix of weights, transposed. */
function isPermutedMatrix({ kind, settings }: Operation): boolean {
  return (kind === 'permute' || kind === 'transpose') && [settings.dims ?? []].flat().join() === '1,0';
}

function checkMaxPool(path: string, { name, settings }: Operation): void {
  const window = same(settings.kernel_size);
  const stride = settings.stride === undefined ? window : same(settings.stride);
  const [padding, dilation] = [same(settings.padding ?? 0), same(settings.dilation ?? 1)];
  if (window === 2 && stride === 2 && padding === 0 && dilation === 1) return;
  throw refuse(
    path,
    `${name} pools ${window}×${window} with stride ${stride}, padding ${padding} and dilation ${dilation}; expected 2×2 with stride 2 and padding 0`,
  );
}

function checkConvolution(path: string, { name, settings }: Operation, kernels: ReadonlySet<number>): void {
  const [stride, dilation] = [same(settings.stride ?? 1), same(settings.dilation ?? 1)];
  const { groups = 1, transposed = false, padding_mode: mode = 'zeros', padding = 0 } = settings;
  const isUsual = stride === 1 && dilation === 1 && groups === 1 && !transposed && mode === 'zeros';
  const isPadded = padding === 'same' || [...kernels].some((kernel) => same(padding) === (kernel - 1) / 2);
  if (isUsual && isPadded) return;
  throw refuse(
    path,
    `${name} is a convolution with stride ${stride}, padding ${formatSetting(padding)} (${formatSetting(mode)}), dilation ${dilation} and ${formatSetting(groups)} groups`,
  );
}

function formatSetting(setting: Setting): string {
  return String(same(setting) ?? setting);
}

/** The number for all axes, or undefined if they differ or it is absent. */
function same(setting: Setting | undefined): number | undefined {
  const values = [setting ?? []].flat();
  const [first] = values;
  return typeof first === 'number' && values.every((value) => value === first) ? first : undefined;
}

function describe({ kind, name }: Operation): string {
  return name === kind ? kind : `${kind} (${name})`;
}

function refuse(path: string, reason: string): UserError {
  return new UserError(`${path} is not a network of Table 1: ${reason}`);
}
