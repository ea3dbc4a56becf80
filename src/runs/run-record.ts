/** What a training leaves in its run folder. Of several ranks, the first one writes. */
import { appendFile, rm } from 'node:fs/promises';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { messageOf, UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';
import { writeCheckpoint, writeParameters } from '../train/checkpoint.ts';
import type { Metrics, ValidationMetrics } from '../train/metrics.ts';
import type { TrainerHooks } from '../train/trainer.ts';
import type { ModelFacts } from '../weights/model/model-file.ts';
import { truncateMetrics } from './metrics-file.ts';
import type { RunFolder } from './run-folder.ts';
import { lockRun } from './run-lock.ts';
import { EventWriter } from './tensorboard.ts';

type WritingHooks = Pick<TrainerHooks, 'onMetrics' | 'onBest' | 'onCheckpoint'>;

export interface RunRecord {
  /** @param facts what stands in the model files beside the weights */
  hooks(facts: ModelFacts, parameters: Parameters): WritingHooks;
  /** The last validation of this session. */
  readonly last: ValidationMetrics | null;
  /** @param outcome survives JSON */
  writeResult(outcome: object): Promise<void>;
  close(): Promise<void>;
}

export interface RunRecordOptions {
  readonly folder: RunFolder;
  /** Where an earlier session stopped. */
  readonly iteration?: number;
  readonly onMetrics?: (metrics: Metrics) => void;
}

/**
 * Takes the run folder for this process.
 * @throws UserError when another process has it.
 */
export async function openRunRecord({ folder, iteration, onMetrics }: RunRecordOptions): Promise<RunRecord> {
  const unlock = await lockRun(folder);
  try {
    await rm(folder.resultFile, { force: true });
    await truncateMetrics(folder.metricsFile, iteration ?? 0);
    const writer = await MetricsWriter.open(folder, iteration);
    return new WrittenRecord(folder, writer, unlock, onMetrics);
  } catch (error) {
    await unlock();
    throw error;
  }
}

class WrittenRecord implements RunRecord {
  readonly #folder: RunFolder;
  readonly #writer: MetricsWriter;
  readonly #unlock: () => Promise<void>;
  readonly #onMetrics: RunRecordOptions['onMetrics'];
  last: ValidationMetrics | null = null;

  constructor(
    folder: RunFolder,
    writer: MetricsWriter,
    unlock: () => Promise<void>,
    onMetrics: RunRecordOptions['onMetrics'],
  ) {
    this.#folder = folder;
    this.#writer = writer;
    this.#unlock = unlock;
    this.#onMetrics = onMetrics;
  }

  hooks(facts: ModelFacts, parameters: Parameters): WritingHooks {
    return {
      onMetrics: async (line) => {
        await this.#writer.write(line);
        if (line.kind === 'validation') this.last = line;
        this.#onMetrics?.(line);
      },
      onBest: () => writeParameters(this.#folder.bestFile, facts, parameters),
      onCheckpoint: (_, state, average) =>
        writeCheckpoint(this.#folder.lastFile, facts, parameters, state, average),
    };
  }

  writeResult(outcome: object): Promise<void> {
    return writeFileAtomically(this.#folder.resultFile, `${JSON.stringify(outcome, undefined, 2)}\n`);
  }

  async close(): Promise<void> {
    try {
      await this.#writer.close();
    } finally {
      await this.#unlock();
    }
  }
}

/** Writes metrics as JSON lines and as TensorBoard events. */
class MetricsWriter {
  readonly #folder: RunFolder;
  readonly #events: EventWriter;

  private constructor(folder: RunFolder, events: EventWriter) {
    this.#folder = folder;
    this.#events = events;
  }

  /** @param resumeStep the iteration that a resumed run starts from. */
  static async open(folder: RunFolder, resumeStep?: number): Promise<MetricsWriter> {
    return new MetricsWriter(folder, await EventWriter.open(folder.path, { resumeStep }));
  }

  /** @throws UserError when the disk is full. */
  async write(metrics: Metrics): Promise<void> {
    try {
      await appendFile(this.#folder.metricsFile, `${JSON.stringify(metrics)}\n`);
    } catch (error) {
      throw new UserError(`${this.#folder.metricsFile} could not be written: ${messageOf(error)}`, {
        cause: error,
      });
    }
    const { kind, iteration, loss, top1Error, top5Error, learningRate } = metrics;
    await this.#events.scalar(`loss/${kind}`, iteration, loss);
    await this.#events.scalar(`top-1 error/${kind}`, iteration, top1Error);
    await this.#events.scalar(`top-5 error/${kind}`, iteration, top5Error);
    if (kind === 'train') await this.#events.scalar('learning rate', iteration, learningRate);
  }

  async close(): Promise<void> {
    await this.#events.close();
  }
}

/** The record of a rank that writes nothing. */
export class SilentRecord implements RunRecord {
  last: ValidationMetrics | null = null;

  hooks(): WritingHooks {
    return {
      onMetrics: async (line) => {
        if (line.kind === 'validation') this.last = line;
      },
      onBest: async () => {},
      onCheckpoint: async () => {},
    };
  }

  async writeResult(): Promise<void> {}
  async close(): Promise<void> {}
}
