/**
 * One pass over the training images before the first iteration: which of them cannot be decoded, the mean
 * RGB, and the principal axes of the RGB values. "On the training set, from each pixel" (paper, 2.1): every
 * pixel of every image, at its original size, counts once.
 */

import { defaultConcurrency, mapConcurrently } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import type { Rgb } from '../../core/shape.ts';
import { alone, shareOf, type Team } from '../../core/team.ts';
import { type DecodeOptions, decodeStored } from '../pixels/decode.ts';
import { DEFAULT_MAX_PIXELS } from '../pixels/image-formats.ts';
import type { ImageSource } from '../sources/source.ts';
import type { ColorAxes } from './color-shift.ts';
import { ColorSums } from './color-sums.ts';
import {
  type BadImage,
  packSurvey,
  recallSurvey,
  rememberSurvey,
  type SurveyRecord,
  unpackSurvey,
} from './survey-cache.ts';

export type { BadImage } from './survey-cache.ts';

export interface Survey {
  /** The mean RGB over all pixels, 0–255. */
  readonly mean: Rgb;
  readonly axes: ColorAxes;
  /** In order of index. */
  readonly bad: readonly BadImage[];
  /** Taken from the cache instead of decoding everything. */
  readonly cached: boolean;
}

export interface SurveyOptions extends DecodeOptions {
  /** Where surveys are remembered; undefined: the user's cache folder. */
  readonly cacheFolder?: string;
  readonly concurrency?: number;
  readonly onProgress?: (progress: SurveyProgress) => void;
  /** Told when the survey could not be remembered; training can go on. */
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** Who shares the work; each gets the whole survey. Default: nobody. */
  readonly team?: Team;
}

export interface SurveyProgress {
  readonly done: number;
  readonly total: number;
  readonly bad: number;
}

/**
 * Surveys the images, or recalls an earlier survey of the same ones.
 * @throws the signal's reason when it aborts.
 */
export async function surveyImages(source: ImageSource, options: SurveyOptions = {}): Promise<Survey> {
  const team = options.team ?? alone;
  const key = `${await source.fingerprint()}-${options.maxPixels ?? DEFAULT_MAX_PIXELS}`;
  const recalled = await recallTogether(team, key, options.cacheFolder);
  const all = { from: Array.from({ length: source.length }, (_, i) => i), sums: new ColorSums() };
  // Images that were bad may have been mended since: the fingerprint does not see every file.
  const todo = recalled ? { from: recalled.bad.map((bad) => bad.index), sums: recalled.sums } : all;
  const { sums, bad } = await addUpTogether(team, source, todo, options);
  if (recalled === undefined || bad.length !== recalled.bad.length) {
    await rememberSurvey(key, { sums, bad }, options);
  }
  return { mean: sums.mean(), axes: sums.axes(), bad, cached: recalled !== undefined };
}

/** What one of them remembers, all know. */
async function recallTogether(
  team: Team,
  key: string,
  cacheFolder: string | undefined,
): Promise<SurveyRecord | undefined> {
  const own = await recallSurvey(key, cacheFolder);
  if (team.size === 1) return own;
  const found = (await team.gather(own ? packSurvey(own) : null)).find((packed) => packed !== null);
  return found ? unpackSurvey(found) : undefined;
}

/** Each decodes its part of the images. Sums are of whole numbers, so that parts add up to the whole exactly. */
async function addUpTogether(
  team: Team,
  source: ImageSource,
  { from, sums }: { readonly from: readonly number[]; readonly sums: ColorSums },
  options: SurveyOptions,
): Promise<SurveyRecord> {
  const [start, end] = shareOf(from.length, team);
  // What was there before counts once.
  const own = team.rank === 0 ? sums : new ColorSums();
  const bad = await addUp(source, from.slice(start, end), own, options);
  if (team.size === 1) return { sums: own, bad };
  const parts = (await team.gather(packSurvey({ sums: own, bad }))).map(unpackSurvey);
  return { sums: ColorSums.total(parts.map((part) => part.sums)), bad: parts.flatMap((part) => part.bad) };
}

/** Decodes the images and adds their pixels to the sums. @returns those that could not be decoded */
async function addUp(
  source: ImageSource,
  images: readonly number[],
  sums: ColorSums,
  options: SurveyOptions,
): Promise<BadImage[]> {
  const bad: BadImage[] = [];
  let done = 0;
  await mapConcurrently(images, options.concurrency ?? defaultConcurrency, async (index) => {
    options.signal?.throwIfAborted();
    const message = await addImage(source, index, sums, options);
    if (message !== undefined) bad.push({ index, message });
    done++;
    options.onProgress?.({ done, total: images.length, bad: bad.length });
  });
  return bad.sort((a, b) => a.index - b.index);
}

async function addImage(
  source: ImageSource,
  index: number,
  sums: ColorSums,
  options: DecodeOptions,
): Promise<string | undefined> {
  try {
    sums.add(await decodeStored(await source.read(index), source.imageName(index), options));
    return undefined;
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

/**
 * Stops before the first iteration when images are bad, unless they are to be skipped.
 * @returns the numbers of the good images; undefined when all are
 * @throws UserError with the count and the first few messages
 */
export function goodImages(
  source: ImageSource,
  survey: Survey,
  { skipBad = false }: { skipBad?: boolean } = {},
): Uint32Array | undefined {
  if (survey.bad.length === 0) return undefined;
  if (survey.bad.length === source.length) {
    throw new UserError(
      `none of the ${source.length} images of ${source.location} can be decoded: ${survey.bad[0]!.message}`,
    );
  }
  if (!skipBad) {
    const shown = survey.bad.slice(0, 5).map((bad) => `\n  ${bad.message}`);
    const more = survey.bad.length > shown.length ? `\n  and ${survey.bad.length - shown.length} more` : '';
    throw new UserError(
      `${survey.bad.length} of the ${source.length} images of ${source.location} cannot be used; mend or delete them, or leave them out with --skip-bad:${shown.join('')}${more}`,
    );
  }
  const bad = new Set(survey.bad.map((image) => image.index));
  return Uint32Array.from({ length: source.length }, (_, i) => i).filter((i) => !bad.has(i));
}
