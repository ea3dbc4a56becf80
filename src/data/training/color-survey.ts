/**
 * One pass over the training images before the first iteration. It computes the mean RGB and the principal axes of the
 * RGB values, and finds images that cannot be decoded. "On the training set, from each pixel" (paper, 2.1): every pixel
 * of every image, at its original size, counts once.
 */
import { defaultConcurrency, mapConcurrently } from '../../core/concurrency.ts';
import { UserError } from '../../core/errors.ts';
import { alone, shareOf, type Team } from '../../core/process-team.ts';
import type { Rgb } from '../../core/shape.ts';
import { type DecodeOptions, decodeStored } from '../pixels/decode.ts';
import { DEFAULT_MAX_PIXELS } from '../pixels/image-formats.ts';
import { type BadImage, badImagesError } from '../sources/bad-images.ts';
import type { ImageSource } from '../sources/image-source.ts';
import type { ColorAxes } from './color-shift.ts';
import { ColorSums } from './color-sums.ts';
import {
  packSurvey,
  readCachedSurvey,
  type SurveyRecord,
  unpackSurvey,
  writeCachedSurvey,
} from './color-survey-cache.ts';

interface Survey {
  /** The mean RGB over all pixels, 0–255. */
  readonly mean: Rgb;
  readonly axes: ColorAxes;
  /** Images that cannot be decoded, by ascending number. */
  readonly bad: readonly BadImage[];
  /** Whether the survey came from the cache. */
  readonly cached: boolean;
}

interface SurveyOptions extends DecodeOptions {
  /** Folder that keeps surveys between runs (default: the user's cache folder). */
  readonly cacheFolder?: string;
  /** Images decoded at once (default: the number of CPU cores + 2). */
  readonly concurrency?: number;
  readonly onProgress?: (progress: SurveyProgress) => void;
  /** Called when the survey could not be saved; training can continue. */
  readonly onWarning?: (message: string) => void;
  readonly signal?: AbortSignal;
  /** Processes that share the work; each gets the whole survey (default: only this process). */
  readonly team?: Team;
}

export interface SurveyProgress {
  readonly done: number;
  readonly total: number;
  readonly bad: number;
}

/**
 * Surveys the images, or takes an earlier survey of them from the cache.
 * @throws the signal's reason when it aborts.
 */
export async function surveyImages(source: ImageSource, options: SurveyOptions = {}): Promise<Survey> {
  const team = options.team ?? alone;
  const key = `${await source.fingerprint()}-${options.maxPixels ?? DEFAULT_MAX_PIXELS}`;
  const cached = await readCacheTogether(team, key, options.cacheFolder);
  // Bad images may have been fixed since: the fingerprint does not cover every file.
  const images = cached ? cached.bad.map(({ index }) => index) : [...Array(source.length).keys()];
  const { sums, bad } = await addUpTogether(team, source, images, cached?.sums ?? new ColorSums(), options);
  if (bad.length !== cached?.bad.length) await writeCachedSurvey(key, { sums, bad }, options);
  return { mean: sums.mean(), axes: sums.axes(), bad, cached: cached !== undefined };
}

/** A survey in one process's cache is enough for all. */
async function readCacheTogether(
  team: Team,
  key: string,
  cacheFolder: string | undefined,
): Promise<SurveyRecord | undefined> {
  const own = await readCachedSurvey(key, cacheFolder);
  if (team.size === 1) return own;
  const found = (await team.gather(own ? packSurvey(own) : null)).find((packed) => packed !== null);
  return found ? unpackSurvey(found) : undefined;
}

/** Each process decodes its share of the images. The sums are integers, so the parts add up exactly. */
async function addUpTogether(
  team: Team,
  source: ImageSource,
  images: readonly number[],
  sums: ColorSums,
  options: SurveyOptions,
): Promise<SurveyRecord> {
  const [start, end] = shareOf(images.length, team);
  // Earlier sums must count only once.
  const own = team.rank === 0 ? sums : new ColorSums();
  const bad = await addUp(source, images.slice(start, end), own, options);
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
 * The images that can be used for training.
 * @param options.skipBad whether to leave out bad images (default: false)
 * @returns the numbers of the good images; undefined when all are good
 * @throws UserError with the number of bad images and the first few messages, unless they are skipped
 */
export function goodImages(
  source: ImageSource,
  survey: Pick<Survey, 'bad'>,
  { skipBad = false }: { skipBad?: boolean } = {},
): Uint32Array | undefined {
  if (survey.bad.length === 0) return undefined;
  if (!skipBad || survey.bad.length === source.length) {
    throw badImagesError(survey.bad, source.length, ` of ${source.location}`);
  }
  const bad = new Set(survey.bad.map((image) => image.index));
  return Uint32Array.from({ length: source.length }, (_, i) => i).filter((i) => !bad.has(i));
}
