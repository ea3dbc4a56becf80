/** metrics.jsonl, and the same as TensorBoard events. */
import { appendFile, readFile } from 'node:fs/promises';
import { messageOf, UserError } from '../core/errors.ts';
import type { Metrics } from '../train/metrics.ts';
import type { RunFolder } from './run-folder.ts';
import { EventWriter } from './tensorboard.ts';

/** The lines of metrics.jsonl; one that a killed run left torn is passed over. */
export async function readMetrics(file: string): Promise<Metrics[]> {
  const lines = (await readFile(file, 'utf8')).split('\n');
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Metrics];
    } catch {
      return [];
    }
  });
}

/** Writes metrics as JSON lines and as TensorBoard events. */
export class MetricsWriter {
  readonly #folder: RunFolder;
  readonly #events: EventWriter;

  private constructor(folder: RunFolder, events: EventWriter) {
    this.#folder = folder;
    this.#events = events;
  }

  /** @param resumedAt the iteration that a resumed run starts from. */
  static async open(folder: RunFolder, resumedAt?: number): Promise<MetricsWriter> {
    const options = resumedAt === undefined ? {} : { resumeStep: resumedAt };
    return new MetricsWriter(folder, await EventWriter.open(folder.path, options));
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
