import { type ConvertResult, convertModel, type Parity } from '../../api/convert-weights.ts';
import { formatBytes, formatMillions } from '../../report/format.ts';
import { writers, writtenExtensions } from '../../weights/formats/formats.ts';
import { readers } from '../../weights/formats/readers.ts';
import { conventionNames } from '../../weights/import/preprocessing.ts';
import { choice, type FlagsOf, flag, force, newCommand, switchedOff } from '../command.ts';
import { featuresOnly, formatOptions, readOptionsOf } from '../format-options.ts';
import { downloadModels, MODEL_NAMES } from '../model-downloads.ts';
import { backend, json, threads } from '../options.ts';
import { printAs, refuseToOverwrite } from '../output.ts';
import { withBars } from '../progress.ts';

const titles = Object.values(readers).map(({ title }) => title);
const conventionsByFormat = Object.values(writers).map(
  ({ convention, written }) => `${convention} for ${written[0]}`,
);

const options = {
  force,
  outConvention: choice(
    conventionNames,
    `preprocessing that the written network expects; native: RGB, 0 to 255, minus the mean (default: ${conventionsByFormat.join(', ')})`,
  ),
  featuresOnly,
  fullyConvolutional: flag('.onnx only: accept images of any size and return a map of scores'),
  check: switchedOff('skip the check that reads the written file back'),
  threads,
  backend,
  json,
  ...formatOptions,
};

/** `vgg convert`: from any weight file to any other. */
export const command = newCommand('convert', {
  description: `Convert weights between ${new Intl.ListFormat('en').format(titles)}. The extension of the output file selects its format.`,
  examples: [
    'convert runs/demo/best.safetensors demo.pth',
    'convert torchvision/vgg16 vgg-d.safetensors',
    'convert VGG_ILSVRC_16_layers.caffemodel vgg-d.onnx',
    'convert faces.caffemodel faces.safetensors --mean 129.19,104.76,93.59 --channel-order bgr --classes-file names.txt',
  ],
  options,
})
  .argument('<in>', `model file to read, or ${MODEL_NAMES}`)
  .argument('<out>', `file to write: ${writtenExtensions.join(', ')}`)
  .action(convert);

async function convert(input: string, output: string, flags: FlagsOf<typeof options>): Promise<void> {
  refuseToOverwrite(output, flags);
  const read = { ...(await readOptionsOf(flags)), onRemark: undefined };
  const write = { convention: flags.outConvention, fullyConvolutional: flags.fullyConvolutional };
  await downloadModels([input]);
  const result = await withBars((onProgress) =>
    convertModel({ ...flags, input, output, read, write, onProgress }),
  );
  printAs(flags.json ? jsonOf(result) : result, flags, () => formatResult(result));
}

function jsonOf({ parity, ...rest }: ConvertResult) {
  return { ...rest, parity: parity && { ...parity, output: [...parity.output] } };
}

function formatResult(result: ConvertResult): string {
  const { input, network, report, written, output, parity } = result;
  const { configuration, classes, crop, width, parameters, head } = network;
  const sizes = classes === 0 ? 'convolutions only' : `${classes} classes, crop ${crop}`;
  const what = head ? `${sizes}, ${head}` : sizes;
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
      ? 'read back: all weights are bit-for-bit identical'
      : `read back: values differ in ${changed.join(', ')}, and the output by at most ${difference.toExponential(1)}`;
  return [
    `check: ${classes === 0 ? 'pool5' : 'logits'} for the synthetic ${side}×${side} image: largest ${values}; sum ${sum.toFixed(4)}`,
    `  ${back}`,
  ];
}
