/**
 * A model card: a model's architecture, training data, results and use, as Markdown with the front matter that Hugging
 * Face reads (https://huggingface.co/docs/hub/model-cards).
 */
import { stringify } from 'yaml';
import { describeHead, type Network, parameterCount } from '../net/network.ts';
import type { ValidationMetrics } from '../train/metrics.ts';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatInterval,
  formatMillions,
  formatPercent,
  formatSplit,
  hasTop5,
} from './format.ts';
import { summarizeNetwork } from './network-tables.ts';

export interface ModelCard {
  /** Name of the run. */
  readonly name: string;
  /** Name of the data set, without a path. */
  readonly dataset: string;
  readonly dataFingerprint?: string;
  /** SPDX identifier of the weights' license, if known. */
  readonly license?: string;
  readonly createdBy?: string;
  readonly network: Network;
  readonly labels: readonly string[];
  /** 0 to 255. */
  readonly meanRgb: readonly [red: number, green: number, blue: number];
  /** `256` or `256..512` */
  readonly trainScale: string;
  /** Q of the validations during training, in pixels. */
  readonly testScale: number;
  /** The recipe as YAML. */
  readonly recipe: string;
  /** The validation of this model, unless training ended before the first. */
  readonly result?: ValidationMetrics;
  /** Error of always naming the commonest class of the validation images, if their labels are known. */
  readonly guessing?: number;
  /** Whether the model was selected by that validation. */
  readonly selected: boolean;
  /** Training time in seconds, if known. */
  readonly seconds?: number;
  readonly file: { readonly name: string; readonly bytes: number; readonly sha256: string };
}

/** Most labels that are listed; if there are more classes, the first ones. */
const LABELS_SHOWN = 100;

export function formatCard(card: ModelCard): string {
  const { network, file, recipe } = card;
  return `---
${stringify(frontMatter(card))}---

# ${card.name}

${introduction(card)}

## Architecture

${table(architecture(card))}

The network is configuration ${network.configuration} of Table 1 in [Very Deep Convolutional Networks for Large-Scale Image Recognition](https://arxiv.org/abs/1409.1556)${network.width === 1 ? '' : `, with the channels of every hidden layer multiplied by ${network.width}`}. Its fully connected layers are convolutions, so it accepts images of any size from the crop up.

## Data

${data(card)}

## Recipe

\`\`\`yaml
${recipe.trim()}
\`\`\`

## Results

${results(card)}

## Intended use

Classifying images like those of the training data into the ${network.classes} classes below. The model assigns one of its classes to every image, whatever the image shows, and its probabilities are not calibrated. It has not been tested for bias or robustness and should not be used for decisions about people.

## License

${license(card)}

## File

| file | size | SHA-256 |
|---|---|---|
| ${escapeMarkdown(file.name)} | ${formatBytes(file.bytes)} | \`${file.sha256}\` |

## How to use

\`\`\`sh
npx verydeep predict image.jpg --model ${file.name}
npx verydeep serve --model ${file.name}
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

function frontMatter({ name, dataset, license: known, result, network }: ModelCard): object {
  const accuracy = (label: string, error: number, topK: number) => ({
    type: 'accuracy',
    name: label,
    value: Number((1 - error).toFixed(6)),
    args: topK > 1 ? { top_k: topK } : undefined,
  });
  return {
    library_name: 'verydeep',
    pipeline_tag: 'image-classification',
    license: known ?? 'unknown',
    tags: ['image-classification', 'vgg', 'verydeep'],
    datasets: [dataset],
    metrics: ['accuracy'],
    'model-index': result && [
      {
        name,
        results: [
          {
            task: { type: 'image-classification', name: 'Image classification' },
            dataset: { type: dataset, name: dataset, split: splitOf(result) },
            metrics: [
              accuracy('Top-1 accuracy', result.top1Error, 1),
              ...(hasTop5(network.classes) ? [accuracy('Top-5 accuracy', result.top5Error, 5)] : []),
            ],
          },
        ],
      },
    ],
  };
}

function splitOf({ split = 'val' }: ValidationMetrics): string {
  return split === 'val' ? 'validation' : split;
}

function introduction({ network, dataset, createdBy, result }: ModelCard): string {
  const created = createdBy === undefined ? '' : `, created by ${createdBy}`;
  const error = result
    ? ` Its top-1 error on the ${formatSplit(result.split)} is ${formatPercent(result.top1Error)} %.`
    : '';
  return `VGG network ${network.configuration} with ${network.weightLayers} weight layers, trained on ${dataset} with ${network.classes} classes${created}.${error}`;
}

function architecture({ network, meanRgb }: ModelCard): (readonly [string, string])[] {
  const { multiplyAdds } = summarizeNetwork(network);
  const { configuration, weightLayers, width, crop, classes: count, pooling } = network;
  const head = describeHead(network);
  return [
    ['network', `${configuration}, ${weightLayers} weight layers`],
    ...(head ? [['classifier', head] as const] : []),
    ['width', `${width}`],
    ['parameters', `${formatMillions(parameterCount(network))} million`],
    ['multiply-adds', `${formatCount(multiplyAdds)} per crop`],
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
      : ` The fingerprint of the images, their order and their labels is \`${dataFingerprint}\`.`;
  return `${dataset}, rescaled to a smaller side of ${trainScale} pixels.${known}`;
}

function results(card: ModelCard): string {
  const { result, selected, testScale, seconds, guessing } = card;
  const count = card.network.classes;
  if (!result) return 'Training ended before the first validation.';
  const { images, top1Error, top5Error, meanClassError = top1Error, loss, iteration, epoch, split } = result;
  const interval = formatInterval(top1Error, images);
  const isMeanEqual = formatPercent(meanClassError) === formatPercent(top1Error);
  const rows = table([
    ['top-1 error', `${formatPercent(top1Error)} %`],
    ...(interval === undefined
      ? []
      : [
          ['95 % interval (Wilson)', interval] as const,
          ...(guessing === undefined ? [] : [['chance', `${formatPercent(guessing)} %`] as const]),
        ]),
    ...(hasTop5(count) ? [['top-5 error', `${formatPercent(top5Error)} %`] as const] : []),
    ...(isMeanEqual ? [] : [['mean class error', `${formatPercent(meanClassError)} %`] as const]),
    ['loss', loss.toFixed(4)],
    ['images', `${formatCount(images)} (split: ${splitOf(result)})`],
    ['model', `${selected ? 'best' : 'last'} checkpoint`],
    ['protocol', `center crops, smaller side ${testScale} pixels`],
    ['trained for', `${formatCount(iteration)} iterations (${epoch.toFixed(1)} epochs)`],
    ...(seconds === undefined ? [] : [['training time', formatDuration(seconds)] as const]),
  ]);
  const note = selected
    ? '\n\nThe model was selected by this validation, so expect a slightly higher error on other images.'
    : '';
  const source =
    split === 'held-out' ? ', a part of the training data that the model was not trained on' : '';
  return `On the ${formatSplit(split)}${source}:\n\n${rows}${note}`;
}

function license({ license: known }: ModelCard): string {
  return known === undefined
    ? 'Unknown. The terms of the training data apply to the weights; state a license before you publish them.'
    : `The weights are licensed under ${known}. The terms of the training data also apply.`;
}

function classes({ labels }: ModelCard): string {
  const shown = labels.slice(0, LABELS_SHOWN).map((label) => escapeMarkdown(label));
  const rest = labels.length - shown.length;
  return `${shown.join(', ')}${rest > 0 ? ` and ${rest} more, listed in the model file` : ''}`;
}

function table(rows: readonly (readonly [name: string, value: string])[]): string {
  return [
    '| | |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${escapeMarkdown(value)} |`),
  ].join('\n');
}

/** Names may contain Markdown's special characters. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\|<>[\]`*_]/g, (character) => `\\${character}`).replaceAll('\n', ' ');
}
