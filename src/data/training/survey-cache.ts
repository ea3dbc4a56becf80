/** Surveys remembered as JSON in the user's cache folder. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { cacheSubfolder } from '../../core/cache.ts';
import { messageOf } from '../../core/errors.ts';
import { ColorSums } from './color-sums.ts';

/** Raised whenever what is counted or how images are decoded changes. */
const VERSION = 1;

/** An image that could not be read or decoded. */
export interface BadImage {
  readonly index: number;
  /** One sentence that names the image. */
  readonly message: string;
}

/** What is remembered of a survey: sums instead of means, so that mended images can be added. */
export interface SurveyRecord {
  readonly sums: ColorSums;
  readonly bad: readonly BadImage[];
}

const stored = z.object({
  version: z.literal(VERSION),
  sums: z.array(z.string().regex(/^\d+$/)).length(10),
  bad: z.array(z.object({ index: z.number().int().nonnegative(), message: z.string() })),
});

/** A survey as JSON has it. */
export type PackedSurvey = z.output<typeof stored>;

export function packSurvey({ sums, bad }: SurveyRecord): PackedSurvey {
  return { version: VERSION, sums: sums.toJSON(), bad: [...bad] };
}

export function unpackSurvey({ sums, bad }: PackedSurvey): SurveyRecord {
  return { sums: new ColorSums(sums.map(BigInt)), bad };
}

/** @returns undefined when there is none, or none that can be used */
export async function recallSurvey(key: string, cacheFolder?: string): Promise<SurveyRecord | undefined> {
  try {
    const path = join(await cacheSubfolder('surveys', cacheFolder), `${key}.json`);
    return unpackSurvey(stored.parse(JSON.parse(await readFile(path, 'utf8'))));
  } catch {
    // Whatever is wrong with it, a survey can be made again.
    return undefined;
  }
}

export async function rememberSurvey(
  key: string,
  survey: SurveyRecord,
  options: { cacheFolder?: string; onWarning?: ((message: string) => void) | undefined },
): Promise<void> {
  try {
    const path = join(await cacheSubfolder('surveys', options.cacheFolder), `${key}.json`);
    await writeFileAtomically(path, `${JSON.stringify(packSurvey(survey))}\n`);
  } catch (error) {
    options.onWarning?.(
      `what was learnt about the images is not remembered for the next run: ${messageOf(error)}`,
    );
  }
}
