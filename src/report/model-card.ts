/**
 * A model card: what a model is, learned from and can do, as Markdown with the front matter that Hugging Face reads
 * (https://huggingface.co/docs/hub/model-cards).
 */
import { stringify } from 'yaml';
import type { Network } from '../net/network.ts';
import { parameterCount } from '../net/network.ts';
import type { ValidationMetrics } from '../train/metrics.ts';
import { formatBytes, formatCount, formatDuration, formatMillions, formatPercent } from './format.ts';
import { summarizeNetwork } from './network-tables.ts';

export interface ModelCard {
  /** Of the run. */
  readonly name: string;
  /** What the data is called, in no particular place. */
  readonly dataset: string;
  readonly dataFingerprint?: string;
  /** Identifier of the weights' licence; undefined: not known. */
  readonly license?: string;
  readonly createdBy?: string;
  readonly network: Network;
  readonly labels: readonly string[];
  /** 0–255. */
  readonly meanRgb: readonly [red: number, green: number, blue: number];
  /** `256` or `256..512` */
  readonly trainScale: string;
  /** Q of the validations in training. */
  readonly testScale: number;
  /** As YAML. */
  readonly recipe: string;
  /** The validation of this very model; undefined where there was none. */
  readonly result?: ValidationMetrics;
  /** Whether the model was chosen by that validation among those of the training. */
  readonly chosen: boolean;
  /** Seconds of training, where it is known. */
  readonly seconds?: number;
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string };
}

/** Labels that are listed; of more, the first ones. */
const LABELS_SHOWN = 100;

/** The card as a Markdown file. */
export function formatCard(card: ModelCard): string {
  const { network, file, recipe } = card;
  return `---
${stringify(frontMatter(card))}---

# ${card.name}

${introduction(card)}

## Architecture

${table(architecture(card))}

The network is column ${network.configuration} of Table 1 in [Very Deep Convolutional Networks for Large-Scale Image Recognition](https://arxiv.org/abs/1409.1556)${network.width === 1 ? '' : `, with ${network.width} times the channels of each hidden layer`}. Its fully connected layers are convolutions, so it takes images of any size from the crop up.

## Data

${data(card)}

## Recipe

\`\`\`yaml
${recipe.trim()}
\`\`\`

## Results

${results(card)}

## Intended use

Telling the ${network.classes} classes below apart in images like those of the training data. The model gives every image one of its classes, whatever is in it, and its probabilities are not calibrated. It has not been tested for bias or for robustness, and should decide nothing about people.

## Licence

${license(card)}

## File

| file | size | SHA-256 |
|---|---|---|
| ${cell(file.name)} | ${formatBytes(file.bytes)} | \`${file.sha256}\` |

## How to use it

\`\`\`sh
npx vgg predict image.jpg --model ${file.name}
npx vgg serve --model ${file.name}
\`\`\`

## Classes

${classes(card)}

## Citation

\`\`\`bibtex
@inproceedings{simonyan2015very,
  title     = {Very Deep Convolutional Networks for Large-Scale Image Recognition},
  author    = {Simonyan, Karen and Zisserman, Andrew},
  booktitle = {International Conference on Learning Representations},
  year      = {2015}
}
\`\`\`
`;
}

function frontMatter({ name, dataset, license: known, result }: ModelCard): object {
  const accuracy = (label: string, error: number, topK: number) => ({
    type: 'accuracy',
    name: label,
    value: Number((1 - error).toFixed(6)),
    ...(topK > 1 && { args: { top_k: topK } }),
  });
  return {
    library_name: 'verydeep',
    pipeline_tag: 'image-classification',
    license: known ?? 'unknown',
    tags: ['image-classification', 'vgg', 'verydeep'],
    datasets: [dataset],
    metrics: ['accuracy'],
    ...(result && {
      'model-index': [
        {
          name,
          results: [
            {
              task: { type: 'image-classification', name: 'Image classification' },
              dataset: { type: dataset, name: dataset, split: 'validation' },
              metrics: [
                accuracy('Top-1 accuracy', result.top1Error, 1),
                accuracy('Top-5 accuracy', result.top5Error, 5),
              ],
            },
          ],
        },
      ],
    }),
  };
}

function introduction({ network, dataset, createdBy, result }: ModelCard): string {
  const made = createdBy === undefined ? '' : `, made by ${createdBy}`;
  const error = result
    ? ` Its top-1 error on the validation images is ${formatPercent(result.top1Error)} %.`
    : '';
  return `VGG network ${network.configuration} with ${network.weightLayers} weight layers, trained on ${dataset} to tell ${network.classes} classes apart${made}.${error}`;
}

function architecture({ network, meanRgb }: ModelCard): (readonly [string, string])[] {
  const { multiplyAdds } = summarizeNetwork(network);
  const { configuration, weightLayers, width, crop, classes: count, pooling } = network;
  return [
    ['network', `${configuration}, ${weightLayers} weight layers`],
    ['width', `${width}`],
    ['parameters', `${formatMillions(parameterCount(network))} million`],
    ['multiply-adds', `${formatCount(multiplyAdds)} for a crop`],
    ['crop', `${crop}×${crop} pixels`],
    ['classes', formatCount(count)],
    ['pooling', `rounds ${pooling === 'floor' ? 'down' : 'up'}`],
    ['input', `RGB, 0–255, minus (${meanRgb.map((mean) => mean.toFixed(3)).join(', ')})`],
  ];
}

function data({ dataset, dataFingerprint, trainScale }: ModelCard): string {
  const known =
    dataFingerprint === undefined
      ? ''
      : ` The images, their order and their labels have the fingerprint \`${dataFingerprint}\`.`;
  return `${dataset}, rescaled so that the smaller side is ${trainScale} pixels.${known}`;
}

function results({ result, chosen, testScale, seconds }: ModelCard): string {
  if (!result) return 'The training ended before its first validation.';
  const { images, top1Error, top5Error, loss, iteration, epoch } = result;
  const rows = table([
    ['top-1 error', `${formatPercent(top1Error)} %`],
    ['top-5 error', `${formatPercent(top5Error)} %`],
    ['loss', loss.toFixed(4)],
    ['images', formatCount(images)],
    ['protocol', `centre crops, smaller side ${testScale}`],
    ['after', `${formatCount(iteration)} iterations (${epoch.toFixed(1)} epochs)`],
    ...(seconds === undefined ? [] : [['time of training', formatDuration(seconds)] as const]),
  ]);
  const note = chosen
    ? '\n\nThe model was chosen by this very validation, so its error on other images will be a little higher.'
    : '';
  return `On the validation images:\n\n${rows}${note}`;
}

function license({ license: known }: ModelCard): string {
  return known === undefined
    ? "Not known. Weights are subject to their training data's terms; whoever passes them on says under which."
    : `The weights are under ${known}. Their training data has terms of its own.`;
}

function classes({ labels }: ModelCard): string {
  const shown = labels.slice(0, LABELS_SHOWN).map((label) => escapeMarkdown(label));
  const rest = labels.length - shown.length;
  return `${shown.join(', ')}${rest > 0 ? ` and ${rest} more, which the model file has` : ''}`;
}

function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return ['| | |', '|---|---|', ...rows.map(([name, value]) => `| ${name} | ${cell(value)} |`)].join('\n');
}

function cell(text: string): string {
  return escapeMarkdown(text);
}

/** A name is a name, whatever signs it has. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\|<>[\]`*_]/g, (sign) => `\\${sign}`).replaceAll('\n', ' ');
}
