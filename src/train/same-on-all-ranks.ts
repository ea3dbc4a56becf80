/** Checks what must be the same on all ranks before they train or evaluate together, and after the same steps. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import type { Communicator } from '../comm/communicator.ts';
import { availableCores } from '../core/available-cores.ts';
import { UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import type { Backend, ParameterField, Parameters } from '../kernels/backend.ts';
import type { BackendName, BackendOptions } from '../kernels/backend-options.ts';
import { specsWith } from '../kernels/canonical-parameters.ts';

/**
 * Checks that one thing is the same on all ranks.
 * @param what its name in the message, after "the same": `model files`
 * @param remedy what the user should do about a difference
 * @throws UserError naming the ranks that differ from rank 0.
 */
export async function checkAgreement(
  communicator: Communicator,
  what: string,
  mine: string | number,
  remedy: string,
): Promise<void> {
  const all = await communicator.gather(mine);
  const different = all.flatMap((value, rank) => (value === all[0] ? [] : [rank]));
  if (different.length === 0) return;
  const named = different.slice(0, 5).map((rank) => communicator.nameOf(rank));
  const more = different.length > named.length ? ` and ${different.length - named.length} more` : '';
  throw new UserError(`${named.join(', ')}${more} and rank 0 do not have the same ${what}; ${remedy}`);
}

/** Checks that all ranks run the same program. */
export function checkSameCode(communicator: Communicator): Promise<void> {
  return checkAgreement(
    communicator,
    'version of verydeep',
    codeFingerprint(),
    'install the same version everywhere, or use a shared folder',
  );
}

/** Checks that all ranks see the same images: names, order and labels. File times may differ: those of copies do. */
export async function checkSameImages(communicator: Communicator, source: ImageSource): Promise<void> {
  if (communicator.size === 1) return;
  const remedy = 'copy the data again, or use a shared folder';
  await checkAgreement(communicator, `images in ${source.location}`, listingOf(source), remedy);
}

/**
 * Checks that weights and velocities are the same on all ranks, as they must be after the same steps.
 * @throws UserError naming the ranks that differ from rank 0.
 */
export async function checkSameWeights(
  communicator: Communicator,
  parameters: Parameters,
  iteration: number,
): Promise<void> {
  if (communicator.size === 1) return;
  const what = `weights after iteration ${iteration}`;
  await checkAgreement(communicator, what, await checksumOf(parameters), FAULTY);
}

const FAULTY =
  'memory or network of one of these machines is faulty; continue from the last checkpoint with --resume, without that machine';

/** Largest difference of ranks with different backends, over a tensor's largest value. */
const DRIFT = 1e-2;

/**
 * Gives all ranks the weights and velocities of rank 0. With different backends, an update rounds differently on each
 * rank although the gradients are the same, so they drift apart by a few units in the last place per iteration.
 * @throws UserError naming the ranks whose values differ by more than rounding explains.
 */
export async function alignWeights(
  communicator: Communicator,
  parameters: Parameters,
  iteration: number,
): Promise<void> {
  let isNear = true;
  for (const field of ['values', 'velocities'] as const) {
    for (const { name } of specsWith(parameters, field)) {
      const mine = await parameters.read(field, name);
      const first = mine.slice();
      await communicator.broadcast(first);
      const largest = first.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      // Written so that NaN is far from everything.
      isNear &&= first.every((value, i) => Math.abs(value - mine[i]!) <= DRIFT * largest);
      if (communicator.rank > 0) await parameters.write(field, name, first);
    }
  }
  await checkAgreement(communicator, `weights after iteration ${iteration}`, String(isNear), FAULTY);
}

/** A hash of the compiled sources. */
export function codeFingerprint(): string {
  const folder = dirname(dirname(fileURLToPath(import.meta.url)));
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.[jt]s$/.test(file))
    .sort();
  const hash = createHash('sha256').update(version);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
  return hash.digest('hex');
}

const UNLIMITED = { width: Number.POSITIVE_INFINITY, height: Number.POSITIVE_INFINITY };

/** A hash of the images' names without their folder, labels, classes and boxes. */
export function listingOf(source: ImageSource): string {
  const hash = createHash('sha256').update(source.classes.join('\0'));
  for (let i = 0; i < source.length; i++) {
    hash.update(`\0${source.imageName(i).slice(-64)}\0${source.label(i)}`);
    if (source.boxes) hash.update(JSON.stringify(source.boxes(i, UNLIMITED)));
  }
  return hash.digest('hex');
}

/** Bytes summed in one turn of the event loop, which takes a few milliseconds. */
const CHUNK = 16 * 2 ** 20;

async function checksumOf(parameters: Parameters): Promise<number> {
  let sum = 0;
  for (const field of ['values', 'velocities'] as const) {
    for (const { name } of specsWith(parameters, field)) {
      const { buffer, byteOffset, byteLength } = await parameters.read(field, name);
      for (let at = 0; at < byteLength; at += CHUNK) {
        const length = Math.min(CHUNK, byteLength - at);
        sum = crc32(new Uint8Array(buffer, byteOffset + at, length), sum);
        await nextTurn();
      }
    }
  }
  return sum;
}

/**
 * Reports different processors or libraries. They may train together: gradients have the same layout everywhere.
 * @returns whether all round alike: processors do, whatever their instruction set
 */
export async function noteDifferentBackends(
  communicator: Communicator,
  { name, description }: Backend,
  onNote: (note: string) => void,
): Promise<boolean> {
  if (communicator.size === 1) return true;
  const all = await communicator.gather(description);
  const kinds = new Set(all);
  if (kinds.size < 2) return true;
  const listed = [...kinds].map((kind) => `${kind} (${all.filter((other) => other === kind).length})`);
  onNote(
    `the ranks have different backends: the slowest sets the pace, and results are equal up to rounding: ${listed.join('; ')}`,
  );
  const rounding = await communicator.gather(name === 'webgpu' ? description : name);
  return new Set(rounding).size === 1;
}

/**
 * Default number of compute threads of each rank. Ranks that the launcher bound to cores use those; others
 * share the cores of their machine.
 */
export function threadsPerRank({ localSize }: Communicator): number | undefined {
  if (localSize === 1) return undefined;
  const isBound = availableParallelism() < cpus().length;
  return isBound ? availableCores() : Math.max(1, Math.floor(availableCores() / localSize));
}

/** This rank among those on its machine that use its GPUs; undefined if it does not. All ranks call it. */
export async function localRankOf(
  communicator: Communicator,
  backend: BackendName | undefined,
): Promise<BackendOptions['localRank']> {
  const { rank, firstHere } = communicator;
  const usesGpu = backend === 'webgpu';
  const all = await communicator.gather({ rank, firstHere, usesGpu });
  const local = all.filter((other) => other.usesGpu && other.firstHere === firstHere);
  return usesGpu ? { rank: local.findIndex((other) => other.rank === rank), size: local.length } : undefined;
}

/** Copies the parameters of rank 0 to all ranks. */
export async function shareParameters(
  communicator: Communicator,
  parameters: Parameters,
  fields: readonly ParameterField[],
): Promise<void> {
  if (communicator.size === 1) return;
  for (const field of fields) {
    for (const { name } of specsWith(parameters, field)) {
      const tensor = await parameters.read(field, name);
      await communicator.broadcast(tensor);
      if (communicator.rank > 0) await parameters.write(field, name, tensor);
    }
  }
}
