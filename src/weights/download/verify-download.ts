/** Compares a downloaded file with what it must be, before it gets its name. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { messageOf, UserError } from '../../core/errors.ts';
import { sha256OfFile } from '../../core/files.ts';
import { withFile } from '../../core/random-access-file.ts';
import { LOOKALIKE_BYTES, lookalikeOf } from '../formats/signatures.ts';
import type { PartialFile } from './partial-file.ts';

/** What a file must be, as far as it is known beforehand. */
export interface ExpectedFile {
  readonly bytes?: number;
  /** The first digits of its SHA-256, or all, in hexadecimal. */
  readonly sha256?: string;
  /** Git's name of the content: the SHA-1 of a header and the content. */
  readonly gitSha1?: string;
}

const EMPTY = { description: 'an empty file', remedy: 'check the address' };

/** @throws UserError, without keeping the file, when its content is not the expected one. */
export async function verify(url: string, expected: ExpectedFile, partial: PartialFile): Promise<void> {
  const { bytes, sha256, gitSha1 } = expected;
  const size = await partial.size();
  const found = sha256 === undefined ? undefined : await sha256OfFile(partial.path);
  const fault =
    bytes !== undefined && size !== bytes
      ? `it has ${size} bytes instead of ${bytes}`
      : found !== undefined && !found.startsWith(sha256!)
        ? `its SHA-256 is ${found}, but should ${sha256!.length < 64 ? 'start with' : 'be'} ${sha256}`
        : gitSha1 !== undefined && (await gitSha1Of(partial.path, size)) !== gitSha1
          ? `its content differs from the one that the hub lists`
          : undefined;
  if (fault === undefined) return refuseLookalike(url, partial);
  await partial.discard();
  throw new UserError(`${url} is damaged or was replaced: ${fault}; nothing was kept, so try again later`);
}

/** @throws UserError, without keeping the file, when it is a web page, a pointer or another file than weights. */
async function refuseLookalike(url: string, partial: PartialFile): Promise<void> {
  if (new URL(url).pathname.endsWith('.json')) return;
  const start = await withFile(partial.path, (file) => file.read(0, Math.min(LOOKALIKE_BYTES, file.size)));
  const lookalike = start.length === 0 ? EMPTY : lookalikeOf(start);
  if (!lookalike) return;
  await partial.discard();
  throw new UserError(`${url} is ${lookalike.description}; ${lookalike.remedy}`);
}

async function gitSha1Of(path: string, size: number): Promise<string> {
  const hash = createHash('sha1').update(`blob ${size}\0`);
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch (error) {
    throw new UserError(`${path} could not be read back: ${messageOf(error)}`, { cause: error });
  }
  return hash.digest('hex');
}
