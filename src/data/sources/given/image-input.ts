/** Images that are given one by one: paths, addresses, and bytes in memory. */
import { fileURLToPath } from 'node:url';
import { messageOf, printable, UsageError } from '../../../core/errors.ts';
import { readBytes } from '../../../core/files.ts';
import { decodeDataUrl } from './data-url.ts';
import { downloadImage } from './download.ts';

/**
 * An image: the path of a file, an address (`http:`, `https:`, `file:` or `data:`, as text or URL), or the bytes of a
 * JPEG, PNG, WebP or AVIF file. Buffer is a Uint8Array, and File is a Blob.
 */
export type ImageInput = string | URL | Uint8Array | ArrayBuffer | Blob;

/** An image that has not been read yet. */
export interface GivenImage {
  /** Its name in results and messages: a path, an address, a file name, or for bytes `the image`. */
  readonly name: string;
  /** Name of the class folder that it is in; undefined for images that are not from a folder. */
  readonly label?: string;
  /** @throws UserError naming the image and the remedy. */
  read(): Promise<Uint8Array>;
}

/**
 * @param place what bytes without a name are called in messages (default: the image)
 * @throws UsageError for values of other types
 */
export function givenImage(input: ImageInput, place = 'the image'): GivenImage {
  // Tags also recognize values of other realms, such as those of test runners, where `instanceof` fails.
  switch (Object.prototype.toString.call(input)) {
    case '[object String]':
      return ofText(String(input));
    case '[object URL]':
      return ofAddress(input as URL);
    case '[object Uint8Array]':
      return { name: place, read: async () => input as Uint8Array };
    case '[object ArrayBuffer]':
      return { name: place, read: async () => new Uint8Array(input as ArrayBuffer) };
    case '[object Blob]':
    case '[object File]':
      return ofBlob(input as Blob, place);
    default:
      throw new UsageError(
        `${place} is ${kindOfValue(input)}; give a path, a URL, a Blob, an ArrayBuffer or a Uint8Array with the bytes of an image file`,
      );
  }
}

function kindOfValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return `of type ${Object.prototype.toString.call(value).slice('[object '.length, -1)}`;
}

/** Whether a text is an address, of any kind, and not a path. */
export function isAddress(text: string): boolean {
  return /^(?:file:|data:|[a-z][a-z\d+.-]+:\/\/)/i.test(text);
}

function ofText(text: string): GivenImage {
  if (!isAddress(text)) return { name: text, read: () => readBytes(text) };
  try {
    return ofAddress(new URL(text));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${nameOfText(text)} is not a valid address; check it`, { cause: error });
  }
}

function nameOfText(text: string): string {
  return /^data:/i.test(text) ? 'the data URL' : printable(text);
}

function ofAddress(url: URL): GivenImage {
  switch (url.protocol) {
    case 'http:':
    case 'https:':
      return { name: url.href, read: () => downloadImage(url) };
    case 'file:':
      return ofFileAddress(url);
    case 'data:':
      return { name: 'the data URL', read: async () => decodeDataUrl(url.href, 'the data URL') };
    default:
      throw new UsageError(
        `${url.protocol} addresses are not supported (${printable(url.href)}); use http:, https:, file: or data:`,
      );
  }
}

function ofFileAddress(url: URL): GivenImage {
  try {
    const path = fileURLToPath(url);
    return { name: path, read: () => readBytes(path) };
  } catch (error) {
    const fault = `${printable(url.href)} is not the address of a file on this machine (${messageOf(error)})`;
    throw new UsageError(`${fault}; give its path`, { cause: error });
  }
}

function ofBlob(blob: Blob, place: string): GivenImage {
  const { name } = blob as { readonly name?: unknown };
  return {
    name: typeof name === 'string' && name !== '' ? name : place,
    read: async () => new Uint8Array(await blob.arrayBuffer()),
  };
}
