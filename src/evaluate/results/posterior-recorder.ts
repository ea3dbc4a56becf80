/** Stores the posteriors of an evaluation's images in a file, to resume from and to average in other ways later. */
import { UsageError } from '../../core/errors.ts';
import type { MemberPosteriors } from '../inference/ensemble.ts';
import { type ResolvedProtocol, singleProtocols } from '../protocol/protocol.ts';
import { type ImageResult, type ImageResults, imageResultOf } from './image-results.ts';
import type { EvaluationInputs, EvaluationRecord } from './journal.ts';
import { averageParts, PosteriorFile } from './posterior-file.ts';

/**
 * Opens the file and adds what it holds to `results`.
 * @throws UsageError for several models; UserError when the file cannot be written.
 */
export async function openPosteriorRecorder(
  path: string,
  { models: [model, ...others], data }: EvaluationInputs,
  { protocol, flip, scales: [scales], colorProfiles }: ResolvedProtocol,
  classes: readonly string[],
  results: ImageResults,
): Promise<EvaluationRecord> {
  if (others.length > 0)
    throw new UsageError('posteriors can be written for only one model at a time; pass a single model');
  const parts = scales!.flatMap((scale) =>
    singleProtocols(protocol).map((single) => ({ protocol: single, scale })),
  );
  const header = {
    images: results.length,
    classes: [...classes],
    parts,
    model: model!,
    data,
    flip,
    colorProfiles,
  };
  const file = await PosteriorFile.openToWrite(path, header);
  for (let image = 0; image < results.length; image++) {
    if (!file.has(image)) continue;
    const { label, values } = await file.read(image);
    results.set(imageResultOf(image, label, averageParts(values, parts.keys(), classes.length)));
  }
  return new PosteriorRecorder(file);
}

class PosteriorRecorder implements EvaluationRecord {
  readonly #file: PosteriorFile;

  constructor(file: PosteriorFile) {
    this.#file = file;
  }

  async add({ image, label }: ImageResult, found: readonly MemberPosteriors[]): Promise<void> {
    const { parts, classes } = this.#file.header;
    const values = new Float32Array(parts.length * classes.length);
    for (const [place, { protocol, scale }] of parts.entries()) {
      const part = found.find((one) => one.protocol === protocol && one.scale === scale)!;
      values.set(part.values, place * classes.length);
    }
    await this.#file.write(image, { label, values });
  }

  /** Flushes the file to the disk. */
  async close(): Promise<void> {
    try {
      await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  finish(): Promise<void> {
    return this.close();
  }
}
