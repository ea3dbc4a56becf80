/** A plan's evaluations: passes over the test images, then every measurement from what they kept. */
import { join } from 'node:path';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { UserError } from '../core/errors.ts';
import { sha256OfFile } from '../core/files.ts';
import { parseTrainScale } from '../core/scale.ts';
import { errorRates } from '../evaluate/error-rates.ts';
import { ImageResults, imageResultOf } from '../evaluate/image-results.ts';
import { PosteriorFile } from '../evaluate/posterior-file.ts';
import { averageParts } from '../evaluate/posterior-recorder.ts';
import { singleProtocols } from '../evaluate/protocol.ts';
import { scalesFor } from '../evaluate/scales.ts';
import { meanOf } from '../evaluate/softmax.ts';
import { buildNetwork } from '../net/network.ts';
import type { PlannedRun } from '../reproduce/chain.ts';
import type { PlannedMeasurement } from '../reproduce/measurements.ts';
import { type PlannedPass, passFor } from '../reproduce/passes.ts';
import { type MeasurementResult, readResult } from '../reproduce/results.ts';
import { type EvaluationProgress, evaluateModel } from './evaluate-model.ts';

export interface PassOptions {
  readonly data: string;
  /** The folder of the evaluations. */
  readonly folder: string;
  readonly signal?: AbortSignal;
  onProgress?(progress: EvaluationProgress): void;
}

/** Checksums of the nets' model files. */
export type ModelSums = ReadonlyMap<PlannedRun, string>;

export async function sumModels(runs: readonly PlannedRun[]): Promise<ModelSums> {
  const sums = new Map<PlannedRun, string>();
  for (const run of runs) sums.set(run, await sha256OfFile(run.model));
  return sums;
}

/** Where a pass keeps what it saw. */
export function posteriorPath(folder: string, { id }: PlannedPass): string {
  return join(folder, `${id}.posteriors`);
}

/** Runs the net over the test images, unless that is done, or goes on with it. */
export async function carryOutPass(pass: PlannedPass, options: PassOptions): Promise<void> {
  const { run, protocol, scales } = pass;
  const { backend, threads } = run.recipe;
  const { data, folder, signal, onProgress } = options;
  const found = await evaluateModel({
    data,
    model: run.model,
    protocol,
    posteriors: posteriorPath(folder, pass),
    backend,
    ...(scales === 'auto' && { scales }),
    threads,
    signal,
    onProgress: (progress) => onProgress?.(progress),
  });
  if (found.labeled > 0) return;
  throw new UserError(`the validation images of ${data} have no labels, so nothing can be measured on them`);
}

/** The result of a measurement that was made of the same models before. */
export async function earlierResult(
  measurement: PlannedMeasurement,
  folder: string,
  sums: ModelSums,
): Promise<MeasurementResult | undefined> {
  const earlier = await readResult(resultPath(folder, measurement));
  const same = JSON.stringify(earlier?.models) === JSON.stringify(checksums(measurement, sums));
  return same ? earlier : undefined;
}

/** Averages what the passes kept, and writes down what became of each image. */
export async function combine(
  measurement: PlannedMeasurement,
  passes: readonly PlannedPass[],
  folder: string,
  sums: ModelSums,
): Promise<MeasurementResult> {
  const members = await Promise.all(
    measurement.runs.map((run) => openMember(measurement, passFor(measurement, run, passes), folder)),
  );
  try {
    const { images, classes } = members[0]!.file.header;
    const stranger = members.find(
      ({ file: { header } }) =>
        header.images !== images || JSON.stringify(header.classes) !== JSON.stringify(classes),
    );
    if (stranger) {
      throw new UserError(`${stranger.file.path} is of other images or classes; delete it and start again`);
    }
    const results = new ImageResults(images, classes.length);
    for (let image = 0; image < images; image++) {
      const seen = await Promise.all(members.map(({ file }) => file.read(image)));
      const means = seen.map(({ values }, member) =>
        Float64Array.from(averageParts(values, members[member]!.parts, classes.length)),
      );
      results.set(imageResultOf(image, seen[0]!.label, Float32Array.from(meanOf(means))));
    }
    return await keep(measurement, members, results, folder, sums);
  } finally {
    for (const { file } of members) await file.close();
  }
}

interface OpenedMember {
  readonly file: PosteriorFile;
  /** Places of the parts that count. */
  readonly parts: readonly number[];
}

async function openMember(
  { protocol, scales }: PlannedMeasurement,
  pass: PlannedPass,
  folder: string,
): Promise<OpenedMember> {
  const path = posteriorPath(folder, pass);
  const file = await PosteriorFile.openToRead(path);
  if (!file?.complete) throw new UserError(`${path} is not complete; start again`);
  const singles: readonly string[] = singleProtocols(protocol);
  const wanted = testScales(pass, scales);
  const parts = file.header.parts.flatMap(({ protocol: single, scale }, place) =>
    singles.includes(single) && wanted.includes(scale) ? [place] : [],
  );
  return { file, parts };
}

function testScales({ run: { recipe, id } }: PlannedPass, scales: 'single' | 'auto'): number[] {
  const { config: configuration, crop, width } = recipe;
  const network = buildNetwork({ configuration, crop, width, classes: 2 });
  const trainScale = parseTrainScale(recipe.scale);
  return scalesFor({ network, trainScale }, scales === 'auto' ? 'auto' : undefined, id);
}

async function keep(
  measurement: PlannedMeasurement,
  members: readonly OpenedMember[],
  results: ImageResults,
  folder: string,
  sums: ModelSums,
): Promise<MeasurementResult> {
  const { images, top1Error, top5Error, loss } = errorRates(results);
  const scales = members.flatMap(({ file, parts }) => parts.map((place) => file.header.parts[place]!.scale));
  const result: MeasurementResult = {
    id: measurement.id,
    images,
    top1Error,
    top5Error,
    loss,
    scales: [...new Set(scales)].sort((a, b) => a - b),
    models: checksums(measurement, sums),
    ranks: Array.from(results, ({ rank }) => rank),
  };
  await writeFileAtomically(resultPath(folder, measurement), `${JSON.stringify(result)}\n`);
  return result;
}

function resultPath(folder: string, { id }: PlannedMeasurement): string {
  return join(folder, `${id}.json`);
}

function checksums({ runs }: PlannedMeasurement, sums: ModelSums): string[] {
  return runs.map((run) => sums.get(run)!);
}
