/** What a training leaves in its run folder. Of several ranks, the first one writes. */
import { rm } from 'node:fs/promises';
import { writeFileAtomically } from '../core/atomic-file.ts';
import type { Parameters } from '../kernels/backend.ts';
import { MetricsWriter } from '../runs/metrics-file.ts';
import { writeCheckpoint, writeParameters } from '../train/checkpoint.ts';
import type { Metrics, ValidationMetrics } from '../train/metrics.ts';
import type { TrainerHooks } from '../train/trainer.ts';
import type { ModelFacts } from '../weights/model/model-file.ts';
import { lockRun, type RunFolder, truncateMetrics } from './run-folder.ts';

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
    await truncateMetrics(folder, iteration ?? 0);
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
