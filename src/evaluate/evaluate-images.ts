/**
 * Runs an ensemble over a source of images: decodes ahead, keeps the engine busy, holds few images at a time.
 *
 * Images are taken window by window, and batches never reach over the edge of a window. So an image is always
 * computed in the same company, also when an evaluation was interrupted and only part of a window is missing:
 * the figures of a resumed evaluation are, bit for bit, those of an uninterrupted one.
 */
import { alone, type Team } from '../core/team.ts';
import type { DecodeOptions } from '../data/pixels/decode.ts';
import { type EvaluationImage, loadForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { ImageSource } from '../data/sources/source.ts';
import type { Ensemble, Judgement } from './ensemble.ts';

export interface JudgedImage extends Judgement {
  /** Number of the image in its source. */
  readonly image: number;
  readonly name: string;
  /** The source's class number, −1 where there is none. */
  readonly label: number;
}

export interface EvaluateImagesOptions extends DecodeOptions {
  readonly source: ImageSource;
  readonly ensemble: Ensemble;
  /** Whether an image has been judged before. */
  readonly isDone?: (image: number) => boolean;
  readonly signal?: AbortSignal;
  /**
   * Who shares the images; all must know the same of what is done. Windows are dealt out whole, so that figures
   * are those of one process, bit for bit. Default: nobody.
   */
  readonly team?: Pick<Team, 'rank' | 'size'>;
  /** Called with each image when it is done, which is not in their order. */
  onImage(judged: JudgedImage): void | Promise<void>;
}

/**
 * Judges every image that is not done. However it ends, the ensemble can be closed afterwards and nothing is
 * under way but what the engine computes at the moment.
 * @throws UserError naming an image that cannot be used; the signal's reason when it is aborted
 */
export async function evaluateImages(options: EvaluateImagesOptions): Promise<void> {
  const { source, ensemble, isDone = () => false, signal } = options;
  const window = windowFor(ensemble.scales);
  const pending: Promise<void>[] = [];
  const abort = (): void => ensemble.close(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    let current = 0;
    const images = unfinishedWindows(source.length, window, isDone, options.team ?? alone);
    for await (const image of loadForEvaluation(source, { ...options, scales: ensemble.scales, images })) {
      signal?.throwIfAborted();
      const place = Math.floor(image.index / window);
      if (place !== current) ensemble.flush();
      current = place;
      if (isDone(image.index)) ensemble.accompany(image.scaled);
      else pending.push(judge(options, image));
      // By now the oldest one's window is over, so that it waits for the engine and not for company.
      while (pending.length > 2 * window) await pending.shift();
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

function judge(
  { ensemble, onImage }: EvaluateImagesOptions,
  { index, name, label, scaled }: EvaluationImage,
): Promise<void> {
  const done = ensemble
    .judge(scaled)
    .then((judgement) => onImage({ image: index, name, label, ...judgement }));
  // Its failure is seen when its turn comes; until then it must not count as unhandled.
  done.catch(() => {});
  return done;
}

const WINDOW_BYTES = 32 * 2 ** 20;

/** Images of a window: enough that many have the same size, and few enough (twice) to be held in memory. */
export function windowFor(scales: readonly number[]): number {
  // A photograph's sides are as 3 : 4 or 2 : 3; three bytes a pixel.
  const bytes = scales.reduce((sum, scale) => sum + 3 * 1.4 * scale ** 2, 0);
  return Math.max(16, Math.min(256, Math.floor(WINDOW_BYTES / bytes)));
}

/** All images of the windows in which one is missing, of those that are one's own. */
function* unfinishedWindows(
  count: number,
  window: number,
  isDone: (image: number) => boolean,
  { rank, size }: Pick<Team, 'rank' | 'size'>,
): Generator<number, void, undefined> {
  let number = 0;
  for (let from = 0; from < count; from += window) {
    const images = Array.from({ length: Math.min(window, count - from) }, (_, i) => from + i);
    if (!images.every(isDone) && number++ % size === rank) yield* images;
  }
}
