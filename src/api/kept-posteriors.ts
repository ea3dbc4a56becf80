/** What an evaluation saw of each image, kept in a file: it goes on from there, and others average it anew. */
import { UsageError } from '../core/errors.ts';
import type { Part } from '../evaluate/ensemble.ts';
import type { Binding } from '../evaluate/journal.ts';
import { type Outcomes, outcomeOf } from '../evaluate/outcomes.ts';
import {
  averageParts,
  type ImagePosteriors,
  PosteriorFile,
  type PosteriorHeader,
} from '../evaluate/posterior-file.ts';
import { looksOf } from '../evaluate/protocol.ts';
import type { Looking } from './open-ensemble.ts';

/**
 * Opens the file and puts what it has into `outcomes`.
 * @throws UsageError for several models; UserError when the file cannot be written.
 */
export async function openKeptPosteriors(
  path: string,
  { models: [model, ...others], data }: Binding,
  { protocol, flip, scales: [scales] }: Looking,
  classes: readonly string[],
  outcomes: Outcomes,
): Promise<KeptPosteriors> {
  if (others.length > 0) throw new UsageError('posteriors are kept of one model at a time');
  const parts = scales!.flatMap((scale) => looksOf(protocol).map((look) => ({ look, scale })));
  const header = { images: outcomes.length, classes: [...classes], parts, model: model!, data, flip };
  const kept = new KeptPosteriors(await PosteriorFile.openToWrite(path, header), header);
  for (let image = 0; image < outcomes.length; image++) {
    if (!kept.file.has(image)) continue;
    const { label, values } = await kept.file.read(image);
    outcomes.set(outcomeOf(image, label, averageParts(values, parts.keys(), classes.length)));
  }
  return kept;
}

export class KeptPosteriors {
  readonly file: PosteriorFile;
  readonly #header: PosteriorHeader;

  constructor(file: PosteriorFile, header: PosteriorHeader) {
    this.file = file;
    this.#header = header;
  }

  /** Keeps an image. */
  async add(image: number, label: number, seen: readonly Part[]): Promise<void> {
    const { parts, classes } = this.#header;
    const values = new Float32Array(parts.length * classes.length);
    for (const [place, { look, scale }] of parts.entries()) {
      const part = seen.find((one) => one.look === look && one.scale === scale)!;
      values.set(part.values, place * classes.length);
    }
    await this.file.write(image, { label, values } satisfies ImagePosteriors);
  }

  /** Brings everything to the disk. */
  async close(): Promise<void> {
    try {
      await this.file.sync();
    } finally {
      await this.file.close();
    }
  }
}
