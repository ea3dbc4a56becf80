/**
 * Classifies all images of a source: decodes ahead to keep the backend busy, and holds few images in memory.
 *
 * Images are processed in chunks, and no batch spans two chunks. So an image always shares its batch with the
 * same images, even after an evaluation was interrupted and only part of a chunk is missing: a resumed evaluation has
 * bit-for-bit the same results as an uninterrupted one.
 */
import { alone, type Team } from '../core/process-team.ts';
import {
  type EvaluationImage,
  loadForEvaluation,
  type PreparationOptions,
} from '../data/pixels/evaluation-images.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import type { Ensemble, EnsemblePosteriors } from './inference/ensemble.ts';

export interface EvaluatedImage extends EnsemblePosteriors {
  /** Number of the image in its source, from 0. */
  readonly image: number;
  readonly name: string;
  /** Class number; −1 if the image has no label. */
  readonly label: number;
}

interface EvaluateImagesOptions extends PreparationOptions {
  readonly source: ImageSource;
  readonly ensemble: Ensemble;
  /** Whether an image was evaluated before (default: none was). */
  readonly isDone?: (image: number) => boolean;
  readonly signal?: AbortSignal;
  /**
   * Ranks that share the images; `isDone` must agree on all of them. Each chunk goes to one rank, so that results
   * are bit-for-bit those of one process. Default: this process alone.
   */
  readonly team?: Pick<Team, 'rank' | 'size'>;
  /** Called for each image that cannot be used, which is then left out (default: the first one is an error). */
  readonly onBad?: (image: BadImage) => void;
  /** Called for each image when it is done, in no particular order. Labels are the source's class numbers. */
  onImage(image: EvaluatedImage): void | Promise<void>;
}

/**
 * Evaluates every image that is not done. The ensemble can be closed afterwards in any case; only the batch that
 * the backend is computing may still be running.
 * @throws UserError naming an image that cannot be used; the signal's reason when it is aborted
 */
export async function evaluateImages(options: EvaluateImagesOptions): Promise<void> {
  const { source, ensemble, isDone = () => false, signal } = options;
  const size = chunkSize(ensemble.scales);
  const pending: Promise<void>[] = [];
  const abort = (): void => ensemble.close(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    let current = 0;
    const images = unfinishedChunks(source.length, size, isDone, options.team ?? alone);
    for await (const image of loadForEvaluation(source, { ...options, scales: ensemble.scales, images })) {
      signal?.throwIfAborted();
      const chunk = Math.floor(image.index / size);
      if (chunk !== current) ensemble.flush();
      current = chunk;
      if (isDone(image.index)) ensemble.addFiller(image.scaled);
      else pending.push(evaluateImage(options, image));
      // The oldest image's chunk is complete by now, so this waits for the backend and not for more images.
      while (pending.length > 2 * size) await pending.shift();
    }
    ensemble.flush();
    await Promise.all(pending);
  } catch (error) {
    ensemble.close(error);
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

function evaluateImage(
  { ensemble, onImage }: EvaluateImagesOptions,
  { index, name, label, scaled }: EvaluationImage,
): Promise<void> {
  const done = ensemble
    .classify(scaled)
    .then((posteriors) => onImage({ image: index, name, label, ...posteriors }));
  // A failure is handled when its turn comes; until then it must not count as an unhandled rejection.
  done.catch(() => {});
  return done;
}

const CHUNK_BYTES = 32 * 2 ** 20;

/** Number of images in a chunk: enough that many have the same size, and few enough that two chunks fit into memory. */
export function chunkSize(scales: readonly number[]): number {
  // Three bytes for each pixel; photographs have an aspect ratio of 4:3 or 3:2.
  const bytes = scales.reduce((sum, scale) => sum + 3 * 1.4 * scale ** 2, 0);
  return Math.max(16, Math.min(256, Math.floor(CHUNK_BYTES / bytes)));
}

/** All images of this rank's chunks in which at least one image is not done. */
function* unfinishedChunks(
  count: number,
  size: number,
  isDone: (image: number) => boolean,
  team: Pick<Team, 'rank' | 'size'>,
): Generator<number, void, undefined> {
  let number = 0;
  for (let from = 0; from < count; from += size) {
    const images = Array.from({ length: Math.min(size, count - from) }, (_, i) => from + i);
    if (!images.every(isDone) && number++ % team.size === team.rank) yield* images;
  }
}
