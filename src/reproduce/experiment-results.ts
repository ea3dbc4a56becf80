/** The results of experiments: averages of the posteriors of evaluations, kept as JSON files. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { systemErrorCode, UserError } from '../core/errors.ts';
import { readingError } from '../core/files.ts';
import { singleProtocols } from '../evaluate/protocol/protocol.ts';
import { meanOf } from '../evaluate/protocol/softmax.ts';
import { errorRates } from '../evaluate/results/error-rates.ts';
import { ImageResults, imageResultOf } from '../evaluate/results/image-results.ts';
import { averageParts, PosteriorFile } from '../evaluate/results/posterior-file.ts';
import type { PlannedEvaluation } from './evaluations.ts';
import { type Experiment, testScalesOf } from './experiments.ts';
import type { PlannedTraining } from './training-order.ts';

const resultSchema = z.object({
  id: z.string(),
  images: z.int(),
  /** Results of older versions do not have it. */
  classes: z.int().optional(),
  top1Error: z.number(),
  top5Error: z.number(),
  loss: z.number(),
  scales: z.array(z.number()),
  /** Checksums of the model files: when a model changes, the result is computed again. */
  models: z.array(z.string()),
  /** For each image, how many classes scored at least as high as the true one. */
  ranks: z.array(z.int()),
});

export type ExperimentResult = z.infer<typeof resultSchema>;

/** SHA-256 of each training's model file. */
export type ModelChecksums = ReadonlyMap<PlannedTraining, string>;

/** The file in which an evaluation keeps its posteriors. */
export function posteriorPath(folder: string, { id }: PlannedEvaluation): string {
  return join(folder, `${id}.posteriors`);
}

/**
 * @returns the stored result; undefined if there is none, or it comes from other models.
 * @throws UserError when the file is damaged.
 */
export async function readResult(
  experiment: Experiment,
  folder: string,
  checksums: ModelChecksums,
): Promise<ExperimentResult | undefined> {
  const path = resultPath(folder, experiment);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw readingError(path, error);
  }
  try {
    const result = resultSchema.parse(JSON.parse(text));
    return isDeepStrictEqual(result.models, checksumsOf(experiment, checksums)) ? result : undefined;
  } catch (error) {
    throw new UserError(`${path} is damaged; delete it and run the same command again`, { cause: error });
  }
}

/**
 * Averages the posteriors that evaluations kept, and stores the result.
 * @param evaluations those that cover the experiment, in the order of its nets
 * @throws UserError when an evaluation is incomplete, or evaluations differ in images or classes.
 */
export async function computeResult(
  experiment: Experiment,
  evaluations: readonly PlannedEvaluation[],
  folder: string,
  checksums: ModelChecksums,
): Promise<ExperimentResult> {
  const members = await Promise.all(
    evaluations.map((evaluation) => openMember(experiment, evaluation, folder)),
  );
  try {
    const results = await averagedResults(members);
    const { images, top1Error, top5Error, loss } = errorRates(results);
    const scales = members.flatMap(({ file, parts }) => parts.map((part) => file.header.parts[part]!.scale));
    const result: ExperimentResult = {
      id: experiment.id,
      images,
      classes: members[0]!.file.header.classes.length,
      top1Error,
      top5Error,
      loss,
      scales: [...new Set(scales)].sort((a, b) => a - b),
      models: checksumsOf(experiment, checksums),
      ranks: Array.from(results, ({ rank }) => rank),
    };
    await writeFileAtomically(resultPath(folder, experiment), `${JSON.stringify(result)}\n`);
    return result;
  } finally {
    for (const { file } of members) await file.close();
  }
}

/** The posteriors of one net. */
interface Member {
  readonly file: PosteriorFile;
  /** Indices of the file's parts that the experiment averages. */
  readonly parts: readonly number[];
}

async function openMember(
  { protocol, scales }: Experiment,
  evaluation: PlannedEvaluation,
  folder: string,
): Promise<Member> {
  const path = posteriorPath(folder, evaluation);
  const file = await PosteriorFile.openToRead(path);
  if (!file?.complete) throw new UserError(`${path} is not complete; run the same command again`);
  const singles: readonly string[] = singleProtocols(protocol);
  const wanted = testScalesOf(evaluation.training, scales);
  const parts = file.header.parts.flatMap(({ protocol: single, scale }, index) =>
    singles.includes(single) && wanted.includes(scale) ? [index] : [],
  );
  return { file, parts };
}

async function averagedResults(members: readonly Member[]): Promise<ImageResults> {
  const { images, classes } = members[0]!.file.header;
  for (const { file } of members) {
    if (file.header.images === images && isDeepStrictEqual(file.header.classes, classes)) continue;
    throw new UserError(`${file.path} has other images or classes; delete it and run the same command again`);
  }
  const results = new ImageResults(images, classes.length);
  for (let image = 0; image < images; image++) {
    const kept = await Promise.all(members.map(({ file }) => file.read(image)));
    const means = kept.map(({ values }, member) =>
      Float64Array.from(averageParts(values, members[member]!.parts, classes.length)),
    );
    results.set(imageResultOf(image, kept[0]!.label, Float32Array.from(meanOf(means))));
  }
  return results;
}

function resultPath(folder: string, { id }: Experiment): string {
  return join(folder, `${id}.json`);
}

function checksumsOf({ trainings }: Experiment, checksums: ModelChecksums): string[] {
  return trainings.map((training) => checksums.get(training)!);
}
