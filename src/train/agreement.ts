/**
 * What ranks must agree on, since each must do the same: counts of a batch, whether to stop, when to save, and
 * in the end that their weights are the same.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Communicator } from '../comm/communicator.ts';
import { addCounts, type ClassificationCounts } from '../core/classification.ts';
import { UserError } from '../core/errors.ts';
import type { Parameters } from '../kernels/backend.ts';
import { LogitRange } from './health.ts';

/** What a rank tells the others after its part of a batch. */
export interface StepReport {
  readonly counts: ClassificationCounts;
  /** Whether somebody asked this rank to stop. */
  readonly stop: boolean;
  /** Whether it is time for a checkpoint; rank 0's clock counts. */
  readonly save: boolean;
}

/** The report of all ranks together. */
export async function agreeOnStep(communicator: Communicator, mine: StepReport): Promise<StepReport> {
  if (communicator.size === 1) return mine;
  const { images, top1Errors, top5Errors, lossSum } = mine.counts;
  // Infinity and NaN do not survive JSON as numbers.
  const line = [images, top1Errors, top5Errors, String(lossSum), mine.stop, mine.save] as const;
  const all = (await communicator.gather(line)).map(
    ([images, top1Errors, top5Errors, lossSum, stop, save]): StepReport => ({
      counts: { images, top1Errors, top5Errors, lossSum: Number(lossSum) },
      stop,
      save,
    }),
  );
  return {
    counts: all.map(({ counts }) => counts).reduce(addCounts),
    stop: all.some(({ stop }) => stop),
    save: all[0]!.save,
  };
}

/** The largest difference between two images' logits of one class, over the images of all ranks. */
export async function agreeOnSpread(communicator: Communicator, mine: LogitRange): Promise<number> {
  if (communicator.size === 1) return mine.spread;
  const all = new LogitRange(mine.classes);
  for (const logits of await communicator.gather(mine.extremes())) all.include(Float32Array.from(logits));
  return all.spread;
}

/**
 * Compares weights and velocities over ranks.
 * @throws UserError naming the ranks that differ from rank 0.
 */
export async function checkSameWeights(
  communicator: Communicator,
  parameters: Parameters,
  iteration: number,
): Promise<void> {
  if (communicator.size === 1) return;
  const sums = await communicator.gather(await checksumOf(parameters));
  const strangers = sums.flatMap((sum, rank) => (sum === sums[0] ? [] : [communicator.nameOf(rank)]));
  if (strangers.length === 0) return;
  throw new UserError(
    `after iteration ${iteration} the weights of ${strangers.join(', ')} are not those of rank 0: ` +
      'memory or network of one of these machines is faulty; go on from the last checkpoint with --resume, without it',
  );
}

async function checksumOf(parameters: Parameters): Promise<number> {
  let sum = 0;
  for (const field of ['values', 'velocities'] as const) {
    for (const { name } of parameters.specs) {
      const { buffer, byteOffset, byteLength } = await parameters.read(field, name);
      for (let at = 0; at < byteLength; at += CHUNK) {
        const length = Math.min(CHUNK, byteLength - at);
        sum = crc32(new Uint8Array(buffer, byteOffset + at, length), sum);
        await nextTurn();
      }
    }
  }
  return sum;
}

/** Bytes summed in one turn of the event loop: some milliseconds. */
const CHUNK = 16 * 2 ** 20;
