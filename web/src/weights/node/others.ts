/** As much of `node:crypto`, `node:os`, `node:stream`, `node:url` and `node:util` as the readers of weight files import. */

/** Readers that describe a file compute no checksums. */
export function createHash(): never {
  throw new Error('no checksums in pages');
}
export const randomBytes = createHash;

export function getSystemErrorMap(): Map<number, [string, string]> {
  return new Map([[-2, ['ENOENT', 'no such file']]]);
}

export function fileURLToPath(url: string): string {
  return url;
}

export class Readable {}

export function homedir(): string {
  return '/';
}
export const hostname = homedir;
