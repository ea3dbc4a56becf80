/** As much of `node:fs` and `node:fs/promises` as the readers of weight files use: files that were dropped on the page. */

/** The dropped files by name. */
let dropped: ReadonlyMap<string, Blob> = new Map();

export function setFiles(files: ReadonlyMap<string, Blob>): void {
  dropped = files;
}

export const constants = { O_RDONLY: 0, O_NOFOLLOW: 0, O_NONBLOCK: 0 };

interface Stats {
  readonly size: number;
  isFile(): boolean;
  isDirectory(): boolean;
}

export async function stat(path: string): Promise<Stats> {
  return statsOf(find(path));
}

function statsOf({ size }: Blob): Stats {
  return { size, isFile: () => true, isDirectory: () => false };
}

export async function open(path: string) {
  const blob = find(path);
  return {
    stat: async () => statsOf(blob),
    close: async () => {},
    async read(target: Uint8Array, offset: number, length: number, position: number) {
      const part = new Uint8Array(await blob.slice(position, position + length).arrayBuffer());
      target.set(part, offset);
      return { bytesRead: part.byteLength, buffer: target };
    },
  };
}

export async function readFile(path: string, encoding: 'utf8'): Promise<string> {
  if (encoding !== 'utf8') throw new Error('only text can be read at once');
  return find(path).text();
}

function find(path: string): Blob {
  const blob = dropped.get(path.replace(/^\.\//, ''));
  if (blob) return blob;
  throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT', errno: -2 });
}

export async function readdir(): Promise<string[]> {
  return [...dropped.keys()];
}

/** The project, which the readers look for, counts as found. */
export function existsSync(path: string): boolean {
  return dropped.has(path) || path.endsWith('package.json');
}

/** The project's own files, such as package.json, are not here. */
export function readFileSync(): string {
  return '{"version": ""}';
}

export function readlinkSync(path: string): string {
  return path;
}

/** Nothing is written. */
export async function mkdir(): Promise<never> {
  throw new Error('pages have no folders');
}
export { mkdir as rename, mkdir as rm, mkdir as truncate, mkdir as utimes };
