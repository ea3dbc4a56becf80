import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError, UserError } from '../../core/errors.ts';
import { version } from '../../core/project.ts';
import { drawTensors } from '../../net/draw-tensors.ts';
import { type Initialization, initializationMethods } from '../../net/initialization.ts';
import { parameterCount } from '../../net/network.ts';
import { formatBytes, formatMillions } from '../../report/format.ts';
import { type ClassNames, numberedClasses } from '../../weights/labels/class-names.ts';
import { describe } from '../../weights/model/model.ts';
import { writeModel } from '../../weights/model/write-model.ts';
import { classesFile, readClassesFile } from '../classes-file.ts';
import { choice, type FlagsOf, force, newCommand, option, required } from '../command.ts';
import { config, integer, json, networkOf, positiveNumber, rgb, sizeOptions } from '../options.ts';
import { printAs, refuseToOverwrite } from '../output.ts';

const options = {
  config: required(config),
  out: required(option('<file>', 'model file to write, ending in .safetensors')),
  force,
  ...sizeOptions,
  classesFile,
  init: choice(initializationMethods, 'initialization of the weights; biases start at 0', 'glorot'),
  initStd: option('<std>', 'standard deviation of the Gaussian initialization', positiveNumber, '0.01'),
  seed: option('<n>', 'seed of all random numbers', integer(0), '1'),
  mean: option('<r,g,b>', 'mean RGB to subtract from images, 0 to 255', rgb(0, 255), '0,0,0'),
  json,
};
type Flags = FlagsOf<typeof options>;

/** `vgg init`: writes an untrained model. */
export const command = newCommand('init', {
  description: 'Write a model with random weights (section 3.1).',
  examples: [
    'init --config A --out a.safetensors',
    'init --config D --classes 10 --crop 32 --width 0.25 --seed 7 --out small.safetensors',
  ],
  options,
}).action(writeInitialModel);

async function writeInitialModel(flags: Flags): Promise<void> {
  const { out: path, mean } = flags;
  checkPlace(path, flags);
  const names = await classNamesOf(flags);
  const network = networkOf(flags.config, { ...flags, classes: names.classes.length });
  const initialization = { method: flags.init, std: flags.initStd, seed: flags.seed };
  await writeModel(path, {
    network,
    tensors: await drawTensors(network, initialization),
    ...names,
    meanRgb: mean,
    provenance: provenanceOf(initialization),
  });
  const result = {
    path,
    configuration: network.configuration,
    classes: network.classes,
    crop: network.crop,
    width: network.width,
    parameters: parameterCount(network),
    bytes: (await stat(path)).size,
  };
  printAs(
    result,
    flags,
    ({ parameters, bytes }) =>
      `Wrote ${path}: ${describe(network)}, ${formatMillions(parameters)} million parameters, ${formatBytes(bytes)}.`,
  );
}

/** Checks the path before the work, which takes a while for a large network. */
function checkPlace(path: string, flags: Flags): void {
  if (!path.endsWith('.safetensors')) {
    throw new UsageError(`--out ${path} must end in .safetensors, the format of model files`);
  }
  if (!existsSync(dirname(path))) {
    throw new UserError(`the folder ${dirname(path)} does not exist; create it first`);
  }
  refuseToOverwrite(path, flags);
}

async function classNamesOf({ classes, classesFile }: Flags): Promise<ClassNames> {
  if (classesFile === undefined) return numberedClasses(classes ?? 1000);
  const names = await readClassesFile(classesFile);
  if (classes !== undefined && classes !== names.classes.length) {
    throw new UsageError(
      `--classes ${classes} contradicts ${classesFile}, which has ${names.classes.length} classes; omit --classes`,
    );
  }
  return names;
}

/** Omits the date, so that the same command writes the same bytes. */
function provenanceOf({ method, std, seed }: Initialization): Record<string, string> {
  return {
    createdBy: `verydeep ${version}, vgg init`,
    initialization: method === 'gaussian' ? `gaussian, standard deviation ${std}` : method,
    seed: String(seed),
  };
}
