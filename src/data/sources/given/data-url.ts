/** Images inside text: data URLs (RFC 2397) and base64 (RFC 4648, both alphabets). */
import { UserError } from '../../../core/errors.ts';

/** @param name in messages @throws UserError when it is not a data URL, or its base64 is not valid. */
export function decodeDataUrl(text: string, name: string): Uint8Array {
  const comma = text.indexOf(',');
  const head = text.slice(0, Math.max(comma, 0));
  if (!/^data:/i.test(head)) {
    throw new UserError(`${name} is not a data URL; it must look like data:image/jpeg;base64,…`);
  }
  // The escapes are of bytes, not of characters.
  const content = text
    .slice(comma + 1)
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  return /;\s*base64\s*$/i.test(head) ? decodeBase64(content, name) : Buffer.from(content, 'latin1');
}

/**
 * Line breaks and missing padding are accepted; Node alone would silently leave out other characters.
 * @param name in messages @throws UserError when it is not base64.
 */
export function decodeBase64(text: string, name: string): Uint8Array {
  const dense = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  const length = dense.length - (dense.endsWith('==') ? 2 : dense.endsWith('=') ? 1 : 0);
  // One character alone holds 6 of a byte's 8 bits.
  if (length % 4 === 1 || !/^[\w+/-]*={0,2}$/.test(dense)) {
    throw new UserError(`${name} is not valid base64; encode the bytes of an image file`);
  }
  return Buffer.from(dense, 'base64');
}
