/** Facts that the user supplies when a weight file does not record them. */
import { UsageError, UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { Rgb } from '../../core/shape.ts';
import type { ConfigurationName } from '../../net/configurations.ts';
import { hasFeaturesOnly, type Network } from '../../net/network.ts';
import type { ClassNames } from '../labels/class-names.ts';
import type { ForeignNetwork } from './foreign-network.ts';
import {
  type ChannelOrder,
  type ConventionName,
  conventions,
  nativePreprocessing,
  type Preprocessing,
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
  /** Called after every megabyte. */
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * The preprocessing of a network: from the options, or else that of the well-known weights under its names. The latter
 * applies only to the published networks (1000 classes at full size, or their convolutions). Networks trained for other
 * classes may use any preprocessing: VGG-Face has the authors' layer names and another mean.
 * @throws UserError naming the file and the flags to give.
 */
export function preprocessingFor(
  path: string,
  foreign: ForeignNetwork,
  network: Network,
  options: ConventionOptions,
): Preprocessing {
  const stated = fromOptions(options);
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

function isPublished(network: Network): boolean {
  const { classes, crop, width } = network;
  return width === 1 && (hasFeaturesOnly(network) || (classes === 1000 && crop === 224));
}

/**
 * The preprocessing that the options specify, or undefined without options.
 * @throws UsageError for incomplete preprocessing.
 */
function fromOptions(options: ConventionOptions): Preprocessing | undefined {
  const { convention, mean, std, scale, channelOrder } = options;
  if ([convention, mean, std, scale, channelOrder].every((option) => option === undefined)) return undefined;
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
