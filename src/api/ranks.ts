/** What several ranks must have in common before they do something together. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Communicator } from '../comm/communicator.ts';
import { UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import type { ImageSource } from '../data/sources/source.ts';
import type { Backend, ParameterField, Parameters } from '../kernels/backend.ts';

/**
 * Compares one thing over ranks.
 * @param what for people: `the images`
 * @param remedy what to do where it differs
 * @throws UserError naming the ranks that differ from rank 0.
 */
export async function checkAgreement(
  communicator: Communicator,
  what: string,
  mine: string,
  remedy: string,
): Promise<void> {
  const all = await communicator.gather(mine);
  const strangers = all.flatMap((value, rank) => (value === all[0] ? [] : [rank]));
  if (strangers.length === 0) return;
  const named = strangers.slice(0, 5).map((rank) => communicator.nameOf(rank));
  const more = strangers.length > named.length ? ` and ${strangers.length - named.length} more` : '';
  throw new UserError(`${what} of ${named.join(', ')}${more} differ from those of rank 0; ${remedy}`);
}

/** Checks that all ranks run the same program. */
export function checkSameCode(communicator: Communicator): Promise<void> {
  return checkAgreement(
    communicator,
    'version and code of verydeep',
    codeFingerprint(),
    'install the same version everywhere, or use a shared folder',
  );
}

/** Checks that all ranks see the same images: names, order and labels. Times may differ, as copies' do. */
export function checkSameImages(communicator: Communicator, source: ImageSource): Promise<void> {
  if (communicator.size === 1) return Promise.resolve();
  return checkAgreement(
    communicator,
    `the images in ${source.location}`,
    listingOf(source),
    'copy the data anew, or use a shared folder',
  );
}

/** A hash over the compiled sources. */
export function codeFingerprint(): string {
  const folder = dirname(dirname(fileURLToPath(import.meta.url)));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[jt]s$/.test(file))
    .sort();
  const hash = createHash('sha256').update(version);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest('hex');
}

/** A hash over names without their folder, labels and classes. */
export function listingOf(source: ImageSource): string {
  const hash = createHash('sha256').update(source.classes.join('\0'));
  for (let i = 0; i < source.length; i++) {
    hash.update(`\0${source.imageName(i).slice(-64)}\0${source.label(i)}`);
  }
  return hash.digest('hex');
}

/** Other processors or libraries are no reason to stop: gradients travel in one layout, whatever a rank computes in. */
export async function noteOtherEngines(
  communicator: Communicator,
  { description }: Backend,
  onNote: (note: string) => void,
): Promise<void> {
  const all = await communicator.gather(description);
  const kinds = new Set(all);
  if (kinds.size < 2) return;
  const listed = [...kinds].map((kind) => `${kind} (${all.filter((other) => other === kind).length})`);
  onNote(
    `the ranks' engines differ, so that the slowest sets the pace; results are the same to rounding: ${listed.join('; ')}`,
  );
}

/**
 * Threads of each rank's arithmetic where nobody has said. A launcher may have bound the ranks to cores of their
 * own; where it has not, those of one machine share its cores.
 */
export function threadsPerRank({ localSize }: Communicator): number | undefined {
  if (localSize === 1) return undefined;
  const allowed = availableParallelism();
  return allowed < cpus().length ? allowed : Math.max(1, Math.floor(allowed / localSize));
}

/** Gives every rank the parameters of rank 0. */
export async function shareParameters(
  communicator: Communicator,
  parameters: Parameters,
  fields: readonly ParameterField[],
): Promise<void> {
  if (communicator.size === 1) return;
  for (const field of fields) {
    for (const { name } of parameters.specs) {
      const tensor = await parameters.read(field, name);
      await communicator.broadcast(tensor);
      if (communicator.rank > 0) await parameters.write(field, name, tensor);
    }
  }
}
