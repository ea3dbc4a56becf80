/** Facts that the user supplies when a weight file does not record them. */
import { UsageError, UserError } from '../../core/errors.ts';
import { TORCHVISION_TEST } from '../../core/image-preparation.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { TrainScale } from '../../core/scale.ts';
import type { Rgb } from '../../core/shape.ts';
import { formatHeadPool, type HeadPool } from '../../net/classifier.ts';
import type { ConfigurationName } from '../../net/configurations.ts';
import { hasFeaturesOnly, hasUsualHead, type Network } from '../../net/network.ts';
import type { ClassNames } from '../labels/class-names.ts';
import type { ModelFacts } from '../model/metadata.ts';
import type { ForeignNetwork } from './foreign-network.ts';
import {
  type ChannelOrder,
  type ConventionName,
  conventions,
  nativePreprocessing,
  type Preprocessing,
  withPixelSteps,
} from './preprocessing.ts';

interface ConventionOptions {
  /** A well-known convention; the other options override parts of it (default: determined from the file). */
  readonly convention?: ConventionName;
  /** Red, green, blue, after scaling (default: the convention's). */
  readonly mean?: Rgb;
  /** Red, green, blue, after scaling (default: the convention's, or 1). */
  readonly std?: Rgb;
  /** Multiplies pixels from 0 to 255 before the mean is subtracted (default: the convention's, or 1). */
  readonly scale?: number;
  /** Default: the convention's. */
  readonly channelOrder?: ChannelOrder;
}

export interface ImportOptions extends ConventionOptions {
  /** Identifiers and labels, in the order of the file's outputs (default: ILSVRC's, or class0, class1, …). */
  readonly classNames?: ClassNames;
  /**
   * Order of the file's outputs: `sorted` by synset, or `devkit`, the order of the ILSVRC development kit (default
   * `sorted`).
   */
  readonly classOrder?: 'sorted' | 'devkit';
  /** Chooses A-LRN or A, whose tensors have the same shapes (default: A unless the file describes a normalization). */
  readonly configuration?: ConfigurationName;
  /** Rounding of odd extents in max pooling (default: the framework's). */
  readonly pooling?: PoolingRounding;
  /**
   * Pooling before the classifier, where a file holds only names and tensors and so does not determine it (default:
   * none).
   */
  readonly headPool?: HeadPool | 'none';
  /** Side of the crop of a network that pools before its classifier (default: the file's input size, or 224). */
  readonly crop?: number;
  /**
   * Whether the preprocessing given here replaces the one that a file of ours records, instead of being refused (default
   * false).
   */
  readonly replacePreprocessing?: boolean;
  /** Leaves the fully connected layers out (default false). */
  readonly featuresOnly?: boolean;
  /** Prefix of the tensor names of the network to read, if a file holds several. */
  readonly prefix?: string;
  /** Epsilon of batch normalization, if the file does not store it (default: the framework's). */
  readonly batchNormEpsilon?: number;
  /**
   * Called with canonical tensor names once the network is known. Returns the array to read a tensor into, which is used
   * if it has the right size (default: new arrays).
   */
  readonly placesFor?: (network: Network) => (name: string) => Float32Array | undefined;
  /** Called with each warning about a file of another framework: what was assumed, changed or left out. */
  readonly onRemark?: (remark: string) => void;
  /** Called after every megabyte. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * The preprocessing of a network: its own steps on the pixels, after what the options state; without options and steps,
 * that of the well-known weights under its names. The latter
 * applies only to the published networks (1000 classes at full size, or their convolutions). Networks trained for other
 * classes may use any preprocessing: VGG-Face has the authors' layer names and another mean.
 * @throws UserError naming the file and the flags to give.
 */
export async function preprocessingFor(
  path: string,
  foreign: ForeignNetwork,
  network: Network,
  options: ConventionOptions,
): Promise<Preprocessing> {
  const stated = fromOptions(options);
  const included = await withIncludedSteps(path, foreign, stated);
  if (included) return included;
  if (stated) return stated;
  const { convention } = foreign;
  if (convention !== undefined && convention !== 'native' && isPublished(network))
    return conventions[convention];
  const why = convention
    ? `its tensors have ${foreign.naming}, but with ${network.classes} classes, crop ${network.crop} and width ${network.width} it is not one of the networks published under them`
    : `${foreign.naming} do not determine it`;
  throw new UserError(
    `${path} does not state its preprocessing (${why}); give --convention torchvision, caffe or keras (to train from it: --from-convention), or --mean r,g,b and --channel-order rgb or bgr, with --pixel-scale 1/255 and --std r,g,b where pixels are scaled`,
  );
}

/** Adds the steps that the network itself takes; undefined if they and the options do not determine the preprocessing. */
async function withIncludedSteps(
  path: string,
  { pixelSteps = [] }: ForeignNetwork,
  stated: Preprocessing | undefined,
): Promise<Preprocessing | undefined> {
  if (pixelSteps.length === 0) return undefined;
  const steps = await Promise.all(
    pixelSteps.map((step) => (step.kind === 'affine' ? step.read() : step.kind)),
  );
  try {
    if (stated) return withPixelSteps(stated, steps);
    const whole = withPixelSteps(nativePreprocessing([0, 0, 0]), steps);
    const isIdentity = [...whole.std].every((std) => std === 1) && whole.mean.every((mean) => mean === 0);
    if (isIdentity) return undefined;
    // A mean and a deviation of at most 1 are those of pixels from 0 to 1.
    const small = whole.std.every((std) => std <= 1) && whole.mean.every((mean) => mean >= 0 && mean <= 1);
    return withPixelSteps({ ...nativePreprocessing([0, 0, 0]), scale: small ? 1 / 255 : 1 }, steps);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const names = pixelSteps.map(({ name }) => name).join(', ');
    throw new UserError(
      `${path} changes pixels in a way that cannot be folded (${names}): ${error.message}`,
      {
        cause: error,
      },
    );
  }
}

/** S of the authors' published nets D and E, which they trained with scale jittering. */
const AUTHORS_SCALE: TrainScale = { min: 256, max: 512 };

/**
 * How published weights were trained or are tested by their makers, for networks under a convention of published weights:
 * one that the file's names imply, or one that the user states.
 */
export function publishedFacts(
  foreign: ForeignNetwork,
  network: Network,
  { convention: stated }: ConventionOptions,
): Pick<ModelFacts, 'publishedTest' | 'trainScale'> {
  const convention = stated ?? (isPublished(network) ? foreign.convention : undefined);
  // The crop of a network that pools before its classifier may be a guess.
  if (network.crop !== 224 || network.headPool) return {};
  if (convention === 'torchvision') return { publishedTest: TORCHVISION_TEST };
  const isAuthors = convention === 'caffe' || convention === 'keras';
  const isTheirs = isPublished(network) && ['D', 'E'].includes(network.configuration);
  return isAuthors && isTheirs ? { trainScale: AUTHORS_SCALE } : {};
}

function isPublished(network: Network): boolean {
  const { classes, crop, width } = network;
  return (
    width === 1 && hasUsualHead(network) && (hasFeaturesOnly(network) || (classes === 1000 && crop === 224))
  );
}

/**
 * The preprocessing of one of our own files: the recorded one, or what the options replace it with.
 * @throws UsageError for incomplete preprocessing.
 */
export function ownPreprocessing({ meanRgb }: ModelFacts, options: ImportOptions): Preprocessing | undefined {
  if (!options.replacePreprocessing || !statesPreprocessing(options)) return undefined;
  const { convention = 'native', mean = meanRgb } = options;
  return fromOptions(convention === 'native' ? { ...options, convention, mean } : options);
}

function statesPreprocessing({ convention, mean, std, scale, channelOrder }: ConventionOptions): boolean {
  return [convention, mean, std, scale, channelOrder].some((option) => option !== undefined);
}

/**
 * Checks the options against what a file of ours records.
 * @throws UsageError naming the file and an option that does not apply.
 */
export function checkOwnOptions(path: string, { network }: ModelFacts, options: ImportOptions): void {
  const refuse = (flag: string, what: string) => {
    throw new UsageError(`${path} records its ${what}, so ${flag} does not apply to it; leave ${flag} out`);
  };
  if (statesPreprocessing(options) && !options.replacePreprocessing) {
    throw new UsageError(
      `${path} records its preprocessing, so --convention, --mean, --std, --pixel-scale and --channel-order do not apply to it; leave them out, or change the record with \`vgg convert\``,
    );
  }
  const { configuration, pooling, headPool, crop } = options;
  if (configuration !== undefined && configuration !== network.configuration)
    refuse('--config', 'configuration');
  if (pooling !== undefined && pooling !== network.pooling) refuse('--pooling', 'pooling');
  if (
    headPool !== undefined &&
    formatHeadPool(headPool === 'none' ? undefined : headPool) !== formatHeadPool(network.headPool)
  ) {
    refuse('--head-pool', 'pooling');
  }
  if (crop !== undefined && crop !== network.crop) refuse('--crop', 'crop');
  if (options.prefix !== undefined) refuse('--prefix', 'tensors under their own names');
  if (options.batchNormEpsilon !== undefined) refuse('--bn-epsilon', 'weights without batch normalization');
  if (options.classOrder !== undefined) refuse('--class-order', 'classes in order');
}

/**
 * Checks the options against the kind of a foreign file.
 * @param describesGraph whether the file itself tells how its tensors are connected
 * @throws UsageError naming the file and an option that does not apply.
 */
export function checkForeignOptions(
  path: string,
  describesGraph: boolean,
  { convolutions, classifier }: ForeignNetwork,
  { prefix, batchNormEpsilon }: ImportOptions,
): void {
  if (describesGraph && prefix !== undefined) {
    throw new UsageError(`${path} holds one network, so --prefix does not apply to it; leave it out`);
  }
  if (batchNormEpsilon === undefined) return;
  const normalized = [...convolutions, ...classifier].some(
    ({ norms, inputNorms = [] }) => norms.length + inputNorms.length > 0,
  );
  if (describesGraph || !normalized) {
    throw new UsageError(
      `${path} has ${normalized ? 'its own epsilon' : 'no batch normalization'}, so --bn-epsilon does not apply to it; leave it out`,
    );
  }
}

/**
 * The preprocessing that the options specify, or undefined without options.
 * @throws UsageError for incomplete preprocessing.
 */
function fromOptions(options: ConventionOptions): Preprocessing | undefined {
  const { convention, mean, std, scale, channelOrder } = options;
  if (!statesPreprocessing(options)) return undefined;
  if (convention !== undefined && convention !== 'native') {
    const base = conventions[convention];
    return checked({
      channelOrder: channelOrder ?? base.channelOrder,
      scale: scale ?? base.scale,
      mean: mean ?? base.mean,
      std: std ?? base.std,
    });
  }
  if (mean === undefined || (convention === undefined && channelOrder === undefined)) {
    throw new UsageError(
      'incomplete preprocessing: give --mean r,g,b together with --channel-order rgb or bgr, or give --convention',
    );
  }
  if (
    scale === undefined &&
    mean.every((value) => Math.abs(value) <= 1) &&
    mean.some((value) => value !== 0)
  ) {
    throw new UsageError(
      `a mean of ${mean.join(', ')} looks as if pixels were scaled to 0–1; add --pixel-scale 1/255, or --pixel-scale 1 if they are not scaled`,
    );
  }
  return checked({
    channelOrder: channelOrder ?? 'rgb',
    scale: scale ?? 1,
    mean,
    std: std ?? nativePreprocessing(mean).std,
  });
}

function checked(preprocessing: Preprocessing): Preprocessing {
  const { scale, std, mean } = preprocessing;
  if (!(scale > 0) || !std.every((value) => value > 0)) {
    throw new UsageError('--pixel-scale and --std must be above 0');
  }
  if (!mean.every(Number.isFinite)) throw new UsageError('--mean must be three numbers');
  return preprocessing;
}
