/** The lines of metrics.jsonl, and result.json. Errors are fractions from 0 to 1; losses are in nats. */
import { z } from 'zod';

const measured = {
  /** SGD steps so far. */
  iteration: z.int(),
  /** Passes over the training set so far, fractions included. */
  epoch: z.number(),
  /** Mean cross-entropy, in nats; with task localize the mean Euclidean loss. */
  loss: z.number(),
  /** Fraction of images whose class is not the most probable one; with task localize, of those whose box is wrong. */
  top1Error: z.number(),
  /** Fraction of images whose class is not among the five most probable ones. */
  top5Error: z.number(),
  /** Learning rate of the last step. */
  learningRate: z.number(),
  /** Training time so far, over all sessions of the run, in seconds. */
  seconds: z.number().describe('training time so far, in seconds'),
};

const trainingMetrics = z.object({
  kind: z.literal('train'),
  ...measured,
  /** Training speed in images per second. */
  imagesPerSecond: z.number(),
  /** Several ranks only: seconds per iteration to exchange the gradients. */
  exchangeSeconds: z.number().optional().describe('seconds per iteration to exchange gradients'),
  /** Several ranks only: the fraction of that time that overlaps with the backward pass. */
  exchangeHidden: z.number().optional().describe('fraction of exchangeSeconds hidden by the backward pass'),
});
/** A line of metrics.jsonl: the mean over the iterations since the previous line. */
export interface TrainingMetrics extends Readonly<z.output<typeof trainingMetrics>> {}

const validationMetrics = z.object({
  kind: z.literal('validation'),
  ...measured,
  /** Number of validation images. */
  images: z.int(),
  /** Top-1 error averaged over the classes, each with the same weight; older versions did not record it. */
  meanClassError: z.number().optional().describe('top-1 error averaged over the classes'),
  /** With task localize: mean intersection over union of the predicted and the true box. */
  meanOverlap: z.number().optional().describe('mean intersection over union of boxes'),
  /** Which images these are: the data's own, or `held-out` training images; older versions did not record it. */
  split: z.enum(['val', 'test', 'held-out']).optional().describe('the images of the validation'),
});
/** A line of metrics.jsonl: a validation of the weights, or of their average. */
export interface ValidationMetrics extends Readonly<z.output<typeof validationMetrics>> {}

export const metricsSchema = z
  .discriminatedUnion('kind', [trainingMetrics, validationMetrics])
  .meta({ id: 'Metrics' });
export type Metrics = TrainingMetrics | ValidationMetrics;

/** Why training ended: all iterations done, a plateau of the validation error after the last drop, or a signal. */
const stopReasons = ['iterations', 'plateau', 'interrupted'] as const;
export type StopReason = (typeof stopReasons)[number];

export const runResult = z.object({ reason: z.enum(stopReasons), iterations: z.int(), seconds: z.number() });
export type RunResult = Readonly<z.output<typeof runResult>>;
