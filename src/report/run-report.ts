/** The contents of a report on one training run, gathered by src/api and formatted by the other files here. */
import { isUnbalanced } from '../core/classification.ts';
import { guessingError } from '../core/guessing.ts';
import type { ClassErrors, ErrorRates } from '../evaluate/results/error-rates.ts';
import type { Metrics } from '../train/metrics.ts';
import { formatCount, formatErrors } from './format.ts';

export interface RunReport {
  /** The run folder, relative to the current one if it is below it. */
  readonly run: string;
  /** Which model was evaluated. */
  readonly checkpoint: 'best' | 'last';
  /** Rows of the first table: network, data, recipe. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The recipe as YAML. */
  readonly recipe: string;
  readonly metrics: readonly Metrics[];
  /** Human-readable names, in label order. */
  readonly labels: readonly string[];
  /** `split` and `trainedOn` are those of an `EvaluationResult`. */
  readonly evaluation: ErrorRates & {
    readonly protocol: string;
    readonly scales: readonly number[];
    readonly split?: string;
    readonly trainedOn: number;
  };
  readonly byClass: readonly ClassErrors[];
  /** Numbers of images, `[true class, predicted class]`. */
  readonly confusion: Uint32Array;
  readonly mistakes: readonly Mistake[];
  /** conv1_1's filters as a PNG. */
  readonly filters: Uint8Array;
}

/** An image that the model classifies wrongly. */
export interface Mistake {
  readonly name: string;
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
  /** Posterior of the true class. */
  readonly labelProbability: number;
  /** The image as a PNG. */
  readonly picture: Uint8Array;
  /** The evidence for the predicted class over the image, as a PNG: a score map or occlusions. */
  readonly scoreMap: Uint8Array;
  /** What the evidence's colors mean. */
  readonly evidence: string;
}

/** `top-1 error 25.6 %, top-5 error 8.1 % on 11 images (split: held-out; 99 others were trained on)` */
export function formatReportedErrors({
  evaluation,
  byClass,
}: Pick<RunReport, 'evaluation' | 'byClass'>): string {
  const { images, split = 'all', trainedOn } = evaluation;
  const others = trainedOn > 0 ? `; ${formatCount(trainedOn)} others were trained on` : '';
  const counts = byClass.map((one) => one.images);
  const errors = formatErrors(evaluation, {
    images,
    classes: byClass.length,
    guessing: guessingError(counts),
    unbalanced: isUnbalanced(counts),
  });
  return `${errors} on ${formatCount(images)} images (split: ${split}${others})`;
}

/** `best checkpoint, dense evaluation, Q = 256` */
export function formatMethod({ checkpoint, evaluation: { protocol, scales } }: RunReport): string {
  const name = ['dense', 'crops'].includes(protocol) ? `${protocol} evaluation` : protocol;
  return `${checkpoint} checkpoint, ${name}, Q = ${scales.join(', ')}`;
}

export interface ClassError {
  readonly label: string;
  readonly images: number;
  /** Top-1 error, from 0 to 1. */
  readonly error: number;
}

/** The classes with the highest top-1 errors, worst first. */
export function worstClasses({ byClass, labels }: RunReport, count: number): ClassError[] {
  return byClass
    .map(({ images, top1Errors }, index) => ({ label: labels[index]!, images, error: top1Errors / images }))
    .filter(({ images }) => images > 0)
    .sort((a, b) => b.error - a.error)
    .slice(0, count);
}

export interface Confusion {
  readonly truth: string;
  readonly predicted: string;
  readonly images: number;
}

/** The most frequent pairs of a true and a wrongly predicted class. */
export function mostConfused({ confusion, labels }: RunReport, count: number): Confusion[] {
  const pairs: Confusion[] = [];
  confusion.forEach((images, at) => {
    const [t, p] = [Math.floor(at / labels.length), at % labels.length];
    if (t !== p && images > 0) pairs.push({ truth: labels[t]!, predicted: labels[p]!, images });
  });
  return pairs.sort((a, b) => b.images - a.images).slice(0, count);
}

/** Names of the facts that are not the same in all reports. */
export function differingFacts(reports: readonly RunReport[]): string[] {
  const names = [...new Set(reports.flatMap(({ facts }) => facts.map(([name]) => name)))];
  return names.filter((name) => new Set(reports.map((report) => factOf(report, name))).size > 1);
}

export function factOf({ facts }: RunReport, name: string): string {
  return facts.find(([own]) => own === name)?.[1] ?? '–';
}
