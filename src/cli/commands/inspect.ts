import { inspectWeights } from '../../api/inspect-weights.ts';
import { formatShape } from '../../core/shape.ts';
import { formatBytes, formatMillions } from '../../report/format.ts';
import { tableOf } from '../../report/table.ts';
import type { Inspection } from '../../weights/import/describe-file.ts';
import { type FlagsOf, newCommand } from '../command.ts';
import { featuresOnly, formatOptions, readOptionsOf } from '../format-options.ts';
import { downloadModels, MODEL_NAMES } from '../model-downloads.ts';
import { json } from '../options.ts';
import { printAs } from '../output.ts';

const options = { featuresOnly, json, ...formatOptions };

/** `vgg inspect`: shows a model file. */
export const command = newCommand('inspect', {
  description: 'Show the tensors and the network in a model file of any format.',
  examples: ['inspect runs/demo/best.safetensors', 'inspect VGG_ILSVRC_16_layers.caffemodel --json'],
  options,
})
  .argument('<file>', `model file, folder, or ${MODEL_NAMES}`)
  .action(inspect);

async function inspect(path: string, flags: FlagsOf<typeof options>): Promise<void> {
  await downloadModels([path]);
  printAs(await inspectWeights(path, await readOptionsOf(flags)), flags, formatInspection);
}

function formatInspection(inspection: Inspection): string {
  const { path, description, bytes, tensors, network, naming, preprocessing, provenance } = inspection;
  const { remarks = [], problem } = inspection;
  const table = tableOf(tensors, [
    ['tensor', ({ name }) => name],
    ['type', ({ type }) => type],
    ['shape', ({ shape }) => formatShape(shape), 'right'],
  ]);
  const facts: (readonly [string, string | undefined])[] = [
    [path, `${description}, ${formatBytes(bytes)}, ${tensors.length} tensors`],
    ['network', network && describeNetwork(network)],
    ['names', naming],
    ['expects', preprocessing],
    ...Object.entries(provenance ?? {}),
    ...remarks.map((remark) => ['note', remark] as const),
    ['problem', problem],
  ];
  const lines = facts
    .filter(([, value]) => value)
    // The recipe has several lines.
    .map(([name, value]) =>
      `${name}:${value!.includes('\n') ? '\n' : ' '}${value!.trimEnd()}`.replaceAll('\n', '\n  '),
    );
  return `${table}\n${lines.join('\n')}`;
}

function describeNetwork(network: NonNullable<Inspection['network']>): string {
  const { configuration, classes, crop, width, pooling, parameters, batchNormalized, head } = network;
  return [
    `${configuration}${batchNormalized ? ' with batch normalization' : ''}`,
    classes === 0 ? 'convolutions only' : `${classes} classes, crop ${crop}`,
    `width ${width}`,
    ...(head ? [head] : []),
    `pooling rounds ${pooling === 'ceil' ? 'up' : 'down'}`,
    `${formatMillions(parameters)} million parameters`,
  ].join(', ');
}
