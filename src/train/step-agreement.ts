/** Decisions that all ranks take together after each step: whether to stop, when to save, and the batch's counts. */
import type { Communicator } from '../comm/communicator.ts';
import { addCounts, type ClassificationCounts } from '../core/classification.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import { isAtChance, isFlat, LogitRange } from './divergence.ts';

/** What a rank reports after its part of a batch. */
interface StepReport {
  readonly counts: ClassificationCounts;
  /** Whether this rank was asked to stop. */
  readonly stop: boolean;
  /** Whether a checkpoint is due; rank 0's clock decides. */
  readonly save: boolean;
  /** Images that turned out to be unreadable. */
  readonly lost: readonly BadImage[];
}

/** The combined report of all ranks. */
export async function agreeOnStep(communicator: Communicator, mine: StepReport): Promise<StepReport> {
  if (communicator.size === 1) return mine;
  const { images, top1Errors, top5Errors, lossSum } = mine.counts;
  // Infinity and NaN do not survive JSON as numbers.
  const line = [images, top1Errors, top5Errors, String(lossSum), mine.stop, mine.save, mine.lost] as const;
  const all = (await communicator.gather(line)).map(
    ([images, top1Errors, top5Errors, lossSum, stop, save, lost]): StepReport => ({
      counts: { images, top1Errors, top5Errors, lossSum: Number(lossSum) },
      stop,
      save,
      lost,
    }),
  );
  return {
    counts: all.map(({ counts }) => counts).reduce(addCounts),
    stop: all.some(({ stop }) => stop),
    save: all[0]!.save,
    lost: all.flatMap(({ lost }) => lost),
  };
}

/** Whether the network's output is the same for the images of all ranks, see `isFlat`. */
export async function agreeOnFlatness(
  communicator: Communicator,
  meanLoss: number,
  mine: LogitRange,
): Promise<boolean> {
  if (!isAtChance(meanLoss, mine.classes)) return false;
  return isFlat(meanLoss, await agreeOnSpread(communicator, mine), mine.classes);
}

/** The largest difference between two images' logits of one class, over the images of all ranks. */
async function agreeOnSpread(communicator: Communicator, mine: LogitRange): Promise<number> {
  if (communicator.size === 1) return mine.spread;
  const all = new LogitRange(mine.classes);
  for (const logits of await communicator.gather(mine.extremes())) all.include(Float32Array.from(logits));
  return all.spread;
}
