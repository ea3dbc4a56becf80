import { z } from 'zod';

const scheduleState = z.object({
  learningRate: z.number(),
  /** Drops so far. */
  drops: z.int(),
  /** The lowest validation error so far; null before the first validation. */
  bestError: z.number().nullable(),
  /** Validations since the best one or the last drop. */
  sinceBest: z.int(),
  /** Whether the plateau after the last drop has ended training. */
  finished: z.boolean(),
});
export type ScheduleState = Readonly<z.output<typeof scheduleState>>;

/** The progress of training: with the weights and velocities, all that a resumed run needs. */
export const trainerState = z.object({
  /** SGD steps so far. */
  iteration: z.int().min(0),
  schedule: scheduleState,
  /** The validation with the lowest error so far. */
  best: z.object({ iteration: z.int(), top1Error: z.number() }).nullable(),
  /** The iteration of the last validation, 0 before the first. */
  validatedAt: z.int(),
  /** Number of weight snapshots that the model averages; 0 if it is not an average, as in old checkpoints. */
  averaged: z.int().min(0).default(0),
  /** The iteration at which the average got its last snapshot; 0 before, as in old checkpoints. */
  averagedAt: z.int().min(0).default(0),
  /** Numbers of training images that became unreadable and are left out, ascending. */
  lost: z.array(z.int().min(0)).default([]),
  /** Counts since the last line of metrics. */
  window: z.object({
    images: z.number(),
    top1Errors: z.number(),
    top5Errors: z.number(),
    lossSum: z.number(),
  }),
  /** Consecutive iterations with a flat loss. */
  flatIterations: z.int(),
  /** Training time in seconds, over all sessions of the run. */
  seconds: z.number(),
});
export type TrainerState = Readonly<z.output<typeof trainerState>>;
