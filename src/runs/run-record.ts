/** Records a training run in its folder. Of several ranks, only the first one writes. */
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { DiskReserve } from '../core/disk-reserve.ts';
import { makeFolder, writingError } from '../core/files.ts';
import { valuesIn } from '../core/layer.ts';
import type { Parameters } from '../kernels/backend.ts';
import { writeCheckpoint, writeParameters } from '../train/checkpoint.ts';
import type { DataRecord } from '../train/data-record.ts';
import type { Metrics, ValidationMetrics } from '../train/metrics.ts';
import type { TrainerHooks } from '../train/trainer-hooks.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import { truncateMetrics } from './metrics-file.ts';
import { createRun, type RunDescription, type RunFolder, runFolder, writeLocation } from './run-folder.ts';
import { lockRun } from './run-lock.ts';
import { EventWriter } from './tensorboard.ts';

export type RecordHooks = Pick<TrainerHooks, 'onMetrics' | 'onBest' | 'onCheckpoint'>;

interface OpenFolder {
  readonly folder: RunFolder;
  readonly events: EventWriter;
  readonly unlock: () => Promise<void>;
}

export class RunRecord {
  /** Undefined on ranks that do not write. */
  readonly #open: OpenFolder | undefined;
  #last: ValidationMetrics | null = null;
  #reserve: DiskReserve | undefined;
  #areBoxes = false;

  private constructor(open?: OpenFolder) {
    this.#open = open;
  }

  /**
   * Creates a run folder and locks it for this process.
   * @throws UserError when the folder already has a run or cannot be written.
   */
  static async start(path: string, description: RunDescription, record?: DataRecord): Promise<RunRecord> {
    await makeFolder(path);
    return RunRecord.#take(runFolder(path), (folder) => createRun(folder, description, record));
  }

  /**
   * Locks an existing run folder for this process.
   * @param iteration of the last checkpoint; undefined if there is none
   * @param data new location of the data (default: it was not moved)
   * @throws UserError when another process trains the run.
   */
  static async resume(path: string, iteration?: number, data?: string): Promise<RunRecord> {
    const prepare = async (folder: RunFolder) => {
      if (data !== undefined) await writeLocation(folder, data);
      await rm(folder.resultFile, { force: true });
      await truncateMetrics(folder.metricsFile, iteration ?? 0);
    };
    return RunRecord.#take(runFolder(path), prepare, iteration);
  }

  /** The record of a rank that does not write. */
  static silent(): RunRecord {
    return new RunRecord();
  }

  static async #take(
    folder: RunFolder,
    prepare: (folder: RunFolder) => Promise<void>,
    resumeStep?: number,
  ): Promise<RunRecord> {
    const unlock = await lockRun(folder);
    try {
      await prepare(folder);
      return new RunRecord({ folder, unlock, events: await EventWriter.open(folder.path, { resumeStep }) });
    } catch (error) {
      await unlock();
      throw error;
    }
  }

  /** The last validation of this session. */
  get last(): ValidationMetrics | null {
    return this.#last;
  }

  /**
   * Also reserves disk space for a checkpoint, so that a disk that becomes full loses nothing.
   * @param facts recorded in the model files
   */
  async hooks(
    facts: ModelFacts,
    parameters: Parameters,
    { averaged, onNote }: { readonly averaged: boolean; readonly onNote: (note: string) => void },
  ): Promise<RecordHooks> {
    const folder = this.#open?.folder;
    this.#areBoxes = facts.network.boxes !== undefined;
    if (folder) await this.#reserveSpace(checkpointBytes(parameters, averaged), onNote);
    return {
      onMetrics: (line) => this.#write(line),
      onBest: async (_, average) => folder && writeParameters(folder.bestFile, facts, parameters, average),
      onCheckpoint: async (_, state, average) =>
        folder &&
        this.#writeWithReserve(
          () => writeCheckpoint(folder.lastFile, facts, parameters, state, average),
          () => onNote(`the disk is full: ${folder.lastFile} took its reserved space; free some space`),
        ),
    };
  }

  async #reserveSpace(bytes: number, onNote: (note: string) => void): Promise<void> {
    const { path } = this.#open!.folder;
    this.#reserve = await DiskReserve.take(join(path, '.reserve'), bytes);
    if (this.#reserve) return;
    const room = `${Math.ceil(bytes / 2 ** 20)} MiB`;
    onNote(
      `the disk of ${path} has no room to reserve ${room} for a checkpoint; if it becomes full, the iterations since the last checkpoint are lost`,
    );
  }

  async #writeWithReserve(write: () => Promise<void>, onFreed: () => void): Promise<void> {
    await (this.#reserve ? this.#reserve.write(write, onFreed) : write());
  }

  /** Appends to metrics.jsonl and the TensorBoard events. */
  async #write(metrics: Metrics): Promise<void> {
    const { kind, iteration, loss, top1Error, top5Error, learningRate } = metrics;
    if (kind === 'validation') this.#last = metrics;
    if (!this.#open) return;
    const { folder, events } = this.#open;
    try {
      await appendFile(folder.metricsFile, `${JSON.stringify(metrics)}\n`);
    } catch (error) {
      throw writingError(folder.metricsFile, error);
    }
    await events.scalar(`loss/${kind}`, iteration, loss);
    await events.scalar(`${this.#areBoxes ? 'box' : 'top-1'} error/${kind}`, iteration, top1Error);
    if (!this.#areBoxes) await events.scalar(`top-5 error/${kind}`, iteration, top5Error);
    if (kind === 'train') await events.scalar('learning rate', iteration, learningRate);
  }

  /** @param outcome representable as JSON */
  async writeResult(outcome: object): Promise<void> {
    if (!this.#open) return;
    await writeFileAtomically(this.#open.folder.resultFile, `${JSON.stringify(outcome, undefined, 2)}\n`);
  }

  async close(): Promise<void> {
    try {
      await this.#reserve?.release();
      await this.#open?.events.close();
    } finally {
      await this.#open?.unlock();
    }
  }
}

/** The size of a checkpoint: values, velocities and, if weights are averaged, their average. */
function checkpointBytes({ specs, trained }: Parameters, averaged: boolean): number {
  const values = valuesIn(specs);
  // Names, shapes and the state take some kilobytes.
  return 4 * (values * (averaged ? 2 : 1) + valuesIn(trained)) + 2 ** 17;
}
