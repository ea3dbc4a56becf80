/** What a person says of a file that does not say it itself. */
import { UsageError, UserError } from '../../core/errors.ts';
import type { PoolingRounding } from '../../core/layer.ts';
import type { Rgb } from '../../core/shape.ts';
import type { ConfigurationName } from '../../net/configurations.ts';
import type { Network } from '../../net/network.ts';
import { hasFeaturesOnly } from '../model/features-only.ts';
import type { ForeignNetwork } from './network.ts';
import {
  type ChannelOrder,
  type ConventionName,
  conventions,
  nativePreprocessing,
  type Preprocessing,
} from './preprocessing.ts';

export interface ConventionOptions {
  /** A well-known convention; the other options change single parts of it. */
  readonly convention?: ConventionName;
  /** Red, green, blue, after scaling. */
  readonly mean?: Rgb;
  readonly std?: Rgb;
  /** What pixels from 0 to 255 are multiplied by before the mean is subtracted. */
  readonly scale?: number;
  readonly channelOrder?: ChannelOrder;
}

export interface ClassNameOptions {
  /** Identifiers and names for people, in the order of the file's outputs. */
  readonly classNames?:
    | { readonly classes: readonly string[]; readonly labels: readonly string[] }
    | undefined;
  /** `devkit`: the file's outputs are in the order of the ILSVRC development kit, not of the sorted synsets. */
  readonly classOrder?: 'sorted' | 'devkit';
}

/** Where a network's tensors shall be, by canonical name; undefined for those that get new arrays. */
export type PlacesFor = (network: Network) => (name: string) => Float32Array | undefined;

export interface ImportOptions extends ConventionOptions, ClassNameOptions {
  /** Between A and A-LRN, whose tensors are alike. */
  readonly configuration?: ConfigurationName;
  readonly pooling?: PoolingRounding;
  /** Leaves the fully connected layers out. */
  readonly featuresOnly?: boolean;
  /** Where a file holds several networks: what stands before the names of the one that is meant. */
  readonly prefix?: string;
  /** Batch normalisation's epsilon, where it is not the framework's default and the file does not say it. */
  readonly batchNormEpsilon?: number;
  /** Called when the network is known; tensors are read into the arrays it gives, by canonical name, where they fit. */
  readonly placesFor?: PlacesFor;
  readonly onProgress?: (bytesRead: number, bytesTotal: number) => void;
}

/**
 * The preprocessing of a network: what the person says; else what is a fact of the well-known weights.
 * A fact it is only of the networks that the framework's authors published: 1000 classes at full size, or
 * their convolutions. Whoever trained for other classes chose for themselves (VGG-Face has the authors'
 * layer names and another mean).
 * @throws UserError naming the file and the flags to give.
 */
export function preprocessingFor(
  path: string,
  foreign: ForeignNetwork,
  network: Network,
  options: ConventionOptions,
): Preprocessing {
  const said = fromOptions(options);
  if (said) return said;
  const { convention } = foreign;
  if (convention !== undefined && convention !== 'native' && isPublished(network))
    return conventions[convention];
  const why = convention
    ? `its tensors have ${foreign.naming}, but with ${network.classes} classes, crop ${network.crop} and width ${network.width} it is none of the weights published under them`
    : `${foreign.naming} do not say it`;
  throw new UserError(
    `${path} does not say what its network takes (${why}); give --convention torchvision, caffe or keras (to train from it: --from-convention), or --mean r,g,b and --channel-order rgb or bgr, with --pixel-scale 1/255 and --std r,g,b where pixels are scaled`,
  );
}

function isPublished(network: Network): boolean {
  const { classes, crop, width } = network;
  return width === 1 && (hasFeaturesOnly(network) || (classes === 1000 && crop === 224));
}

/**
 * The preprocessing that flags say, or undefined where there are none.
 * @throws UsageError where they say it by half.
 */
export function fromOptions(options: ConventionOptions): Preprocessing | undefined {
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
      'the preprocessing is said by half: give --mean r,g,b and --channel-order rgb or bgr together, or --convention',
    );
  }
  if (
    scale === undefined &&
    mean.every((value) => Math.abs(value) <= 1) &&
    mean.some((value) => value !== 0)
  ) {
    throw new UsageError(
      `a mean of ${mean.join(', ')} looks like pixels from 0 to 1; say so with --pixel-scale 1/255, or --pixel-scale 1 if they are from 0 to 255`,
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
