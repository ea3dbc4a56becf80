/**
 * Reads MatConvNet's SimpleNN networks, such as the authors' own distribution, imagenet-vgg-verydeep-16.mat: a MATLAB 5
 * file with `layers`, and with `meta` (in older files `normalization` and `classes`).
 * https://www.vlfeat.org/matconvnet/pretrained/
 */
import { UserError } from '../../../core/errors.ts';
import type { RandomAccessFile } from '../../../core/random-access-file.ts';
import type { Rgb } from '../../../core/shape.ts';
import { type MatValue, readMat } from '../../containers/matlab/mat-file.ts';
import { conventions, nativePreprocessing } from '../../import/preprocessing.ts';
import type { ClassNames } from '../../labels/class-names.ts';
import type { WeightContent } from '../weight-content.ts';
import { networkOf, parametersIn } from './network.ts';
import { elementsOf, fieldsOf, numbersOf, textOf } from './values.ts';

/** Reads a network. @throws UserError when the file is damaged or holds something else. */
export async function openMatconvnet(file: RandomAccessFile): Promise<WeightContent> {
  const { path } = file;
  const variables = await readMat(file);
  // Some files hold the network in one variable.
  const top = variables.has('layers') ? variables : (fieldsOf(variables.get('net')) ?? variables);
  const layers = elementsOf(top.get('layers'));
  if (!layers) {
    throw new UserError(
      `${path} is a MATLAB file with ${[...variables.keys()].join(', ') || 'no variables'}, but a MatConvNet network has layers; give a file such as imagenet-vgg-verydeep-16.mat`,
    );
  }
  if (layers.some((layer) => layer.has('block'))) {
    throw new UserError(
      `${path} is a MatConvNet DagNN, which is not supported; a VGG network is a SimpleNN, whose layers follow each other`,
    );
  }
  const parameters = parametersIn(path, layers);
  const meta = fieldsOf(top.get('meta')) ?? top;
  const { mean, remarks } = meanOf(fieldsOf(meta.get('normalization'))?.get('averageImage'));
  return {
    description: 'MatConvNet, SimpleNN',
    tensors: [...parameters.values()].flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight])),
    metadata: {},
    network: () => ({
      ...networkOf(path, layers, parameters, remarks),
      convention: mean && conventionOf(mean),
    }),
    preprocessing: mean && nativePreprocessing(mean),
    classNames: classNamesOf(fieldsOf(meta.get('classes'))),
  };
}

/** The mean to subtract, RGB: three numbers, or an image `[rows, columns, 3]` in columns. */
function meanOf(image: MatValue | undefined): { mean?: Rgb; remarks: string[] } {
  const values = numbersOf(image);
  if (!values || values.length === 0 || values.length % 3 !== 0) return { remarks: [] };
  const area = values.length / 3;
  const channels = [0, 1, 2].map((c) => values.subarray(c * area, (c + 1) * area));
  const [red, green, blue] = channels.map((channel) =>
    Number((channel.reduce((sum, value) => sum + value, 0) / area).toPrecision(7)),
  ) as [number, number, number];
  const varies = channels.some((channel) => channel.some((value) => Math.abs(value - channel[0]!) > 0.01));
  return {
    mean: [red, green, blue],
    remarks: varies
      ? ['its mean image varies from pixel to pixel; verydeep subtracts the mean of each channel instead']
      : [],
  };
}

/** The authors' networks are recognized by their mean. Channels are RGB all the same: `preprocessing` says so. */
function conventionOf(mean: Rgb): 'caffe' | undefined {
  const usual = conventions.caffe.mean;
  return mean.every((value, channel) => Math.abs(value - usual[channel]!) < 0.01) ? 'caffe' : undefined;
}

function classNamesOf(classes: ReadonlyMap<string, MatValue> | undefined): ClassNames | undefined {
  const names = textsOf(classes?.get('name'));
  if (!names || new Set(names).size !== names.length) return undefined;
  const labels = textsOf(classes?.get('description'));
  return { classes: names, labels: labels?.length === names.length ? labels : names };
}

function textsOf(value: MatValue | undefined): string[] | undefined {
  if (value?.kind !== 'cell') return undefined;
  const texts = value.values.map(textOf);
  return texts.every((text) => text !== undefined) ? (texts as string[]) : undefined;
}
