/** Keeps color surveys as JSON in the user's cache folder. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { cacheSubfolder } from '../../core/cache.ts';
import { messageOf } from '../../core/errors.ts';
import type { BadImage } from '../sources/bad-images.ts';
import { ColorSums } from './color-sums.ts';

/** Increased whenever the sums or the decoding of images change. */
const VERSION = 1;

const bad = z.object({
  index: z.number().int().nonnegative(),
  /** One sentence that names the image. */
  message: z.string(),
});
const packedSurvey = z.object({
  version: z.literal(VERSION),
  sums: z.array(z.string().regex(/^\d+$/)).length(10),
  bad: z.array(bad),
  done: z.number().int().nonnegative().optional(),
});

/** A survey as JSON. */
type PackedSurvey = z.infer<typeof packedSurvey>;

/** The stored part of a survey: sums instead of means, so that images fixed since can be added. */
export interface SurveyRecord {
  readonly sums: ColorSums;
  readonly bad: readonly BadImage[];
  /** Number of images surveyed, if the survey is not complete. */
  readonly done?: number;
}

export function packSurvey({ sums, bad, done }: SurveyRecord): PackedSurvey {
  return { version: VERSION, sums: sums.toJSON(), bad: [...bad], done };
}

export function unpackSurvey({ sums, bad, done }: PackedSurvey): SurveyRecord {
  return { sums: new ColorSums(sums.map(BigInt)), bad, done };
}

/** @returns undefined if there is no usable survey */
export async function readCachedSurvey(key: string, cacheFolder?: string): Promise<SurveyRecord | undefined> {
  try {
    const path = join(await cacheSubfolder('surveys', cacheFolder), `${key}.json`);
    return unpackSurvey(packedSurvey.parse(JSON.parse(await readFile(path, 'utf8'))));
  } catch {
    // Whatever is wrong, the survey can be repeated.
    return undefined;
  }
}

/** @returns whether it was written */
export async function writeCachedSurvey(
  key: string,
  survey: SurveyRecord,
  options: { cacheFolder?: string; onWarning?: (message: string) => void },
): Promise<boolean> {
  try {
    const path = join(await cacheSubfolder('surveys', options.cacheFolder), `${key}.json`);
    await writeFileAtomically(path, `${JSON.stringify(packSurvey(survey))}\n`);
    return true;
  } catch (error) {
    options.onWarning?.(`the survey of the images is not saved for the next run: ${messageOf(error)}`);
    return false;
  }
}

export async function removeCachedSurvey(key: string, cacheFolder?: string): Promise<void> {
  const remove = async () =>
    rm(join(await cacheSubfolder('surveys', cacheFolder), `${key}.json`), { force: true });
  // What remains is only a file that will not be read.
  await remove().catch(() => {});
}
