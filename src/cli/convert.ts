import { existsSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { type ConvertResult, type ConvertStage, convertModel, type Parity } from '../api/convert-weights.ts';
import { UserError } from '../core/errors.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import { formatBytes, formatMillions } from '../report/format.ts';
import { formats, writtenExtensions } from '../weights/formats/formats.ts';
import { type ConventionName, conventionNames } from '../weights/import/preprocessing.ts';
import { newCommand } from './command.ts';
import {
  addForeignOptions,
  type ForeignFlags,
  featuresOnlyOption,
  readOptionsOf,
} from './foreign-options.ts';
import { backendOption, jsonOption, threadsOption } from './options.ts';
import { printAs, printJson } from './output.ts';
import { ProgressBar } from './progress.ts';

interface Flags extends ForeignFlags {
  readonly outConvention?: ConventionName;
  readonly fullyConvolutional?: boolean;
  readonly check: boolean;
  readonly force?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

const titles = Object.values(formats).map(({ title }) => title);
const conventionsByFormat = Object.values(formats).map(
  ({ written, convention }) => `${convention} for ${written[0]}`,
);

/** `vgg convert`: from any weight file to any other. */
export function convertCommand(): Command {
  const command = newCommand('convert', {
    description: `Convert weights between ${new Intl.ListFormat('en').format(titles)}. The extension of the output chooses its format.`,
    examples: [
      'convert vgg16-397923af.pth vgg-d.safetensors',
      'convert VGG_ILSVRC_16_layers.caffemodel vgg-d.onnx',
      'convert faces.caffemodel faces.safetensors --mean 129.19,104.76,93.59 --channel-order bgr --classes-file names.txt',
      'convert runs/photos/best.safetensors photos.pth',
    ],
  })
    .argument('<in>', 'weight file to read')
    .argument('<out>', `file to write: ${writtenExtensions.join(', ')}`);
  return addForeignOptions(command)
    .addOption(featuresOnlyOption())
    .addOption(
      new Option(
        '--out-convention <name>',
        `preprocessing that the written network expects (default: ${conventionsByFormat.join(', ')}; native: RGB, 0 to 255, minus the mean)`,
      ).choices(conventionNames),
    )
    .option('--fully-convolutional', '.onnx only: take images of any size and return a map of scores')
    .option('--no-check', 'skip running the network and reading the written file back')
    .option('--force', 'overwrite an existing file')
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(jsonOption())
    .action(convert);
}

async function convert(input: string, output: string, flags: Flags): Promise<void> {
  if (existsSync(output) && !flags.force) {
    throw new UserError(`${output} already exists; choose another name, or overwrite it with --force`);
  }
  const { backend, threads, check } = flags;
  const stages = new Stages();
  try {
    const result = await convertModel({
      input,
      output,
      read: await readOptionsOf(flags),
      write: { convention: flags.outConvention, fullyConvolutional: flags.fullyConvolutional },
      check,
      backend,
      threads,
      onProgress: (stage, done, total) => stages.show(stage, done, total),
    });
    stages.stop();
    if (flags.json) printJson(jsonOf(result));
    else printAs(result, flags, formatResult);
  } finally {
    stages.stop();
  }
}

/** A bar for each stage in turn. */
class Stages {
  #stage: ConvertStage | undefined;
  #bar: ProgressBar | undefined;

  show(stage: ConvertStage, done: number, total: number): void {
    if (stage !== this.#stage) {
      this.stop();
      this.#stage = stage;
      this.#bar = new ProgressBar(stage, total);
    }
    this.#bar?.update(done);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

function jsonOf({ parity, ...rest }: ConvertResult) {
  return { ...rest, parity: parity && { ...parity, output: [...parity.output] } };
}

function formatResult(result: ConvertResult): string {
  const { input, network, report, written, output, parity } = result;
  const { configuration, classes, crop, width, parameters } = network;
  const what = classes === 0 ? 'convolutions only' : `${classes} classes, crop ${crop}`;
  return [
    `${input.path}: network ${configuration} (${what}, width ${width}), ${formatMillions(parameters)} million parameters, ${report ? `${report.description}, ${report.naming}` : "verydeep's own format"}`,
    `  SHA-256 ${input.sha256}`,
    ...(report ? [`  expects ${report.preprocessing}`] : []),
    ...lines('folded', report?.folded),
    ...lines('permuted', report?.permuted),
    ...lines('ignored', report?.ignored),
    ...lines('note', report?.remarks),
    `${written.files.join(', ')}: ${formatBytes(output.bytes)}, expects ${written.preprocessing}`,
    `  SHA-256 ${output.sha256}`,
    ...lines('note', written.remarks),
    ...(parity ? formatParity(parity, classes) : []),
  ].join('\n');
}

function lines(label: string, items: readonly string[] = []): string[] {
  return items.map((item) => `  ${label}: ${item}`);
}

function formatParity({ side, output, changed, difference }: Parity, classes: number): string[] {
  const sum = output.reduce((total, value) => total + value, 0);
  const best = [...output.keys()].sort((a, b) => output[b]! - output[a]!).slice(0, 5);
  const values = best.map((index) => `${index}: ${output[index]!.toFixed(5)}`).join(', ');
  const back =
    changed.length === 0
      ? 'read back: all weights are identical to the bit'
      : `read back: values differ in ${changed.join(', ')}, and the output by at most ${difference.toExponential(1)}`;
  return [
    `check: ${classes === 0 ? 'pool5' : 'logits'} for the synthetic ${side}×${side} image: largest ${values}; sum ${sum.toFixed(4)}`,
    `  ${back}`,
  ];
}
