import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readingError } from '../core/files.ts';

/** The SHA-256 of a file, in hexadecimal. @throws UserError naming the file when it cannot be read. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw readingError(path, error);
  }
  return hash.digest('hex');
}
