/** Training runs: `GET /v1/runs…`. Errors are fractions in data and percentages in tables. */
import { z } from 'zod';
import { runNotes } from '../../runs/run-notes.ts';
import { type Metrics, metricsSchema, runResult } from '../../train/metrics.ts';
import { tasks } from '../../train/recipe.ts';
import { query } from './common-schemas.ts';

const runState = z
  .enum(['running', 'finished', 'stopped'])
  .describe('running: a process is training it; stopped: it can be resumed');
export type RunState = z.output<typeof runState>;

const runSummary = z
  .object({
    id: z.string().describe('name of the run folder'),
    title: z.string(),
    ...runNotes.shape,
    config: z.string(),
    task: z.enum(tasks).describe('localize: errors are box errors, and there is no top-5 error'),
    state: runState,
    startedAt: z.iso.datetime().describe('when the recipe was written'),
    updatedAt: z.iso.datetime().describe('when the metrics were last written'),
    epoch: z.number(),
    iteration: z.int(),
    totalIterations: z.int().optional().describe('if the recipe determines it'),
    secondsLeft: z
      .number()
      .optional()
      .describe(
        'time left at the present speed while the run is in training, if it runs to its last iteration',
      ),
    classes: z.int().optional().describe('number of classes, once there is a model'),
    best: z
      .object({
        top1Error: z.number(),
        top5Error: z.number(),
        meanClassError: z.number().optional(),
        split: z.string().optional().describe('val, test, or held-out training images'),
        iteration: z.int(),
      })
      .optional()
      .describe('the validation with the lowest top-1 error'),
    hasReport: z.boolean().describe('whether /report and /card are available'),
    hasModel: z.boolean(),
  })
  .meta({ id: 'Run' });
export type RunSummary = z.output<typeof runSummary>;

export const runsResponse = z.object({ runs: z.array(runSummary).describe('newest first') });
export type RunsResponse = z.output<typeof runsResponse>;

export const runParameters = z.object({ id: z.string().min(1).max(255) });

export const runResponse = runSummary.extend({
  recipe: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  recipeYaml: z.string(),
  result: runResult.optional().describe('how training ended, if it has'),
});
export type RunResponse = z.output<typeof runResponse>;

/** A line of metrics.jsonl. */
export type MetricsLine = Metrics;

export const metricsQuery = z.object({
  from: query.wholeNumberOr(0, 0, 999_999_999, 'index of the first line'),
});
export const metricsResponse = z.object({
  lines: z.array(metricsSchema),
  next: z.int().describe('value of `from` for the next request'),
});
export type MetricsResponse = z.output<typeof metricsResponse>;

/**
 * `GET /v1/runs/:id/events`, server-sent events. Their `id` is the index of the next line, which EventSource sends back
 * as Last-Event-ID when it reconnects; `?from=` does the same for the first request.
 *
 * | event | data |
 * |---|---|
 * | `metrics` | a MetricsLine |
 * | `state` | a StateEvent, at the beginning and when it changes |
 * | `rewind` | a RewindEvent: the run was resumed from a checkpoint; lines from `next` on are void |
 */
export const eventsQuery = metricsQuery;
export const stateEvent = z.object({ state: runState, updatedAt: z.iso.datetime() });
export type StateEvent = z.output<typeof stateEvent>;
const rewindEvent = z.object({ next: z.int() });
export type RewindEvent = z.output<typeof rewindEvent>;

export { runNotes };

export const modelQuery = z.object({
  checkpoint: z
    .enum(['best', 'last'])
    .optional()
    .describe('default: the best model; before the first validation the last one'),
});

export const useResponse = z.object({
  model: z.string().describe('name of the model in requests'),
});
export type UseResponse = z.output<typeof useResponse>;

export const tablesResponse = z.object({
  tables: z.array(
    z.object({
      title: z.string(),
      columns: z.array(z.string()),
      rows: z.array(z.array(z.union([z.string(), z.number()]))).describe('numbers may be formatted as text'),
    }),
  ),
});
export type TablesResponse = z.output<typeof tablesResponse>;
