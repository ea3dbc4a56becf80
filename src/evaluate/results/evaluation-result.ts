/** The error rates of an evaluation, with everything that they depend on. */
import type { Split } from '../../data/sources/splits.ts';
import type { LoadedEnsemble } from '../inference/open-ensemble.ts';
import type { Protocol, ResolvedProtocol } from '../protocol/protocol.ts';
import { errorRates } from './error-rates.ts';
import type { ImageResults } from './image-results.ts';

export interface EvaluationResult {
  /** The split that was evaluated; undefined if the data set is not divided. */
  readonly split?: Split;
  readonly images: number;
  /** Images with a label. Errors and loss are over these; NaN (null in JSON) if there are none. */
  readonly labeled: number;
  /** Fraction of the labeled images whose true class is not the most probable one. */
  readonly top1Error: number;
  /** Fraction of the labeled images whose true class is not among the five most probable ones. */
  readonly top5Error: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  readonly protocol: Protocol;
  /** Whether mirror images were averaged in. */
  readonly flip: boolean;
  /** Every scale Q that was used, in pixels, ascending. */
  readonly scales: readonly number[];
  /** The model files. */
  readonly models: readonly string[];
  /** For each model its own scales and the SHA-256 of its file. */
  readonly modelDetails: readonly {
    readonly path: string;
    readonly sha256: string;
    readonly scales: readonly number[];
  }[];
  /** Class identifiers in label order. */
  readonly classes: readonly string[];
  /** Labels for people, in label order. */
  readonly labels: readonly string[];
  /** The result of each image, see `measureByClass` and `confusionMatrix`. */
  readonly results: ImageResults;
  /** Duration in seconds. */
  readonly seconds: number;
}

/**
 * @param checksums SHA-256 of each model file
 * @param split the split that was evaluated
 * @param seconds duration of the evaluation
 */
export function evaluationResult(
  { models, first }: LoadedEnsemble,
  { protocol, flip, scales }: ResolvedProtocol,
  checksums: readonly string[],
  split: Split | undefined,
  results: ImageResults,
  seconds: number,
): EvaluationResult {
  const { images: labeled, top1Error, top5Error, loss } = errorRates(results);
  return {
    split,
    images: results.done,
    labeled,
    top1Error,
    top5Error,
    loss,
    protocol,
    flip,
    scales: [...new Set(scales.flat())].sort((a, b) => a - b),
    models: models.map(({ path }) => path),
    modelDetails: models.map(({ path }, i) => ({ path, sha256: checksums[i]!, scales: scales[i]! })),
    classes: first.facts.classes,
    labels: first.facts.labels,
    results,
    seconds,
  };
}
