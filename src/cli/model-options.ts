/** Options of the commands that read models and classify images. */
import { protocols } from '../evaluate/protocol/protocol.ts';
import { choice, flag, option, repeatable, required } from './command.ts';
import { formatOptions } from './format-options.ts';
import { MODEL_NAMES } from './model-downloads.ts';
import { backend, colorProfiles, gpus, json, maxPixels, precision, testScales, threads } from './options.ts';

const PROTOCOL_HELP =
  'center: the center crop; dense: the whole image, class scores averaged over positions; ' +
  'crops: a 5×5 grid of crops; both: the mean of dense and crops';

/** How models are read and run. */
export const inferenceOptions = {
  maxPixels,
  colorProfiles,
  threads,
  backend,
  precision,
  gpus,
  json,
  ...formatOptions,
};

/** Localization models beside classification models. */
export const localizer = repeatable(
  option(
    '<model>',
    'localization model that adds a box to each class, at its training scale; repeat it to unite the boxes of several',
  ),
);

export const modelOptions = {
  model: required(
    repeatable(
      option('<model>', `model file of any format, or ${MODEL_NAMES}; repeat it to average several models`),
    ),
  ),
  protocol: choice(
    protocols,
    `${PROTOCOL_HELP} (default: dense; for published weights as their makers test them, unless --scales is given)`,
  ),
  scales: option(
    '<list>',
    'test scales Q in pixels, such as 256,384,512; auto: the three scales that the paper derives from the training scale S ' +
      '(default: S itself, or the middle of its range)',
    testScales,
  ),
  flip: flag(
    'average over each image and its mirror image (default, except with --protocol center)',
    'do not use mirror images',
  ),
  ...inferenceOptions,
};
