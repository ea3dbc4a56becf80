/**
 * One pass over the training images before the first iteration. It computes the mean RGB and the principal axes of the
 * RGB values, and finds images that cannot be decoded. "On the training set, from each pixel" (paper, 2.1): every pixel
 * of every image, at its original size, counts once. An interrupted survey continues where it stopped: its partial sums
 * are kept in the cache, and they are integers, so the result is the same, bit for bit.
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
  removeCachedSurvey,
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
  /** Called with notes for the user: that the survey could not be saved, or where it stopped. */
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
  const { maxPixels = DEFAULT_MAX_PIXELS, colorProfiles = 'ignore' } = options;
  // Surveys of version 0.2 converted profiles.
  const ignored = colorProfiles === 'ignore' ? '-ignore' : '';
  const key = `${await source.fingerprint()}-${maxPixels}${ignored}`;
  const cached = await readCacheTogether(team, key, options.cacheFolder);
  // Bad images may have been fixed since: the fingerprint does not cover every file.
  const images = cached ? numbersOf(cached.bad) : [...Array(source.length).keys()];
  const start = { sums: cached?.sums ?? new ColorSums(), bad: [] };
  // The few images of an earlier survey are not worth saving.
  const partKey = cached ? undefined : `${key}-part-${team.rank}-of-${team.size}`;
  const { sums, bad } = await addUpTogether(team, source, images, start, options, partKey);
  if (bad.length !== cached?.bad.length) await writeCachedSurvey(key, { sums, bad }, options);
  if (partKey) await removeCachedSurvey(partKey, options.cacheFolder);
  return { mean: sums.mean(), axes: sums.axes(), bad, cached: cached !== undefined };
}

function numbersOf(bad: readonly BadImage[]): number[] {
  return bad.map(({ index }) => index);
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
  earlier: SurveyRecord,
  options: SurveyOptions,
  partKey?: string,
): Promise<SurveyRecord> {
  const [start, end] = shareOf(images.length, team);
  // Earlier sums must count only once.
  const before = team.rank === 0 ? earlier : { sums: new ColorSums(), bad: [] };
  const own = await addUp(source, images.slice(start, end), before, options, partKey);
  if (team.size === 1) return own;
  const parts = (await team.gather(packSurvey(own))).map(unpackSurvey);
  return { sums: ColorSums.total(parts.map((part) => part.sums)), bad: parts.flatMap((part) => part.bad) };
}

/** Images between two moments at which a survey can be saved. */
const BLOCK = 512;
const SAVE_EVERY_MS = 30_000;

/**
 * Decodes the images and adds their pixels to earlier sums.
 * @param partKey where to keep partial sums, and to look for those of an interrupted survey (default: nowhere)
 */
async function addUp(
  source: ImageSource,
  images: readonly number[],
  before: SurveyRecord,
  options: SurveyOptions,
  partKey?: string,
): Promise<SurveyRecord> {
  const { cacheFolder, signal, onWarning } = options;
  const total = images.length;
  const earlier = partKey === undefined ? undefined : await readCachedSurvey(partKey, cacheFolder);
  const first = earlier?.done ?? 0;
  let survey = earlier
    ? await addBlock(source, numbersOf(earlier.bad), { ...earlier, bad: [] }, first, total, options)
    : before;
  const save = async (done: number) =>
    partKey !== undefined && (await writeCachedSurvey(partKey, { ...survey, done }, { cacheFolder }));
  let savedAt = performance.now();
  for (let from = first; from < total; from += BLOCK) {
    if (performance.now() - savedAt > SAVE_EVERY_MS) {
      await save(from);
      savedAt = performance.now();
    }
    try {
      survey = await addBlock(source, images.slice(from, from + BLOCK), survey, from, total, options);
    } catch (error) {
      if (signal?.aborted && (await save(from))) {
        onWarning?.(
          `the check of the images stopped after ${from} of ${total}; the next run continues there`,
        );
      }
      throw error;
    }
  }
  return survey;
}

/** Adds some images. @param before number of images done before, for the progress */
async function addBlock(
  source: ImageSource,
  images: readonly number[],
  { sums, bad }: SurveyRecord,
  before: number,
  total: number,
  options: SurveyOptions,
): Promise<SurveyRecord> {
  const added = new ColorSums();
  const found: BadImage[] = [];
  let done = before;
  await mapConcurrently(images, options.concurrency ?? defaultConcurrency, async (index) => {
    options.signal?.throwIfAborted();
    const message = await addImage(source, index, added, options);
    if (message !== undefined) found.push({ index, message });
    done = Math.min(total, done + 1);
    options.onProgress?.({ done, total, bad: bad.length + found.length });
  });
  found.sort((a, b) => a.index - b.index);
  return { sums: ColorSums.total([sums, added]), bad: [...bad, ...found] };
}

async function addImage(
  source: ImageSource,
  index: number,
  sums: ColorSums,
  options: DecodeOptions,
): Promise<string | undefined> {
  try {
    const image = await decodeStored(await source.read(index), source.imageName(index), options);
    // An annotation that does not fit its image makes it as unusable as a damaged file.
    source.boxes?.(index, image.original ?? image);
    sums.add(image);
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
