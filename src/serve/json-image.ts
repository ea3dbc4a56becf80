/** An image inside JSON: `{"image": "data:image/jpeg;base64,…"}`, or base64 alone. */
import type { OpenAPIV3_1 } from 'openapi-types';
import { messageOf, UserError } from '../core/errors.ts';
import { decodeBase64, decodeDataUrl } from '../data/sources/given/data-url.ts';
import { RequestError } from './request-errors.ts';

export const jsonImageSchema: OpenAPIV3_1.SchemaObject = {
  type: 'object',
  required: ['image'],
  additionalProperties: false,
  properties: {
    image: {
      type: 'string',
      description:
        'the image file as a data URL, or as base64; its bytes decide the format, not the type in the URL',
      examples: ['data:image/jpeg;base64,/9j/4AAQSkZJRg…'],
    },
  },
};

/** The size of the largest body: base64 takes 4/3 of the bytes, and line breaks some more. */
export function maxJsonBytes(imageBytes: number): number {
  return Math.ceil(1.4 * imageBytes) + 1024;
}

/**
 * @param onField called for each field that is not known, and may throw an error that explains more
 * @throws RequestError `bad_request`, or `too_large` for images of more than `imageBytes`
 */
export function imageInJson(
  body: Buffer,
  imageBytes: number,
  onField: (name: string) => void = () => {},
): Uint8Array {
  const { image, ...others } = parsed(body);
  for (const name of Object.keys(others)) {
    onField(name);
    throw new RequestError('bad_request', `Unknown field ${JSON.stringify(name.slice(0, 100))}; ${FORM}.`);
  }
  if (typeof image !== 'string')
    throw new RequestError('bad_request', `The field "image" must be text: ${FORM}.`);
  if (/^https?:/i.test(image)) {
    throw new RequestError('bad_request', `The server does not download images; ${FORM}.`);
  }
  const bytes = decoded(image);
  if (bytes.length <= imageBytes) return bytes;
  throw new RequestError('too_large', `An image may have at most ${imageBytes} bytes; send a smaller one.`);
}

const FORM = 'send {"image": "data:image/jpeg;base64,…"}';

/** More would only take memory: a body of nested arrays takes ten times its size. */
const MAX_VALUES = 100;

function parsed(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    if (!hasManyValues(body)) value = JSON.parse(body.toString().replace(/^\ufeff/, ''));
  } catch (error) {
    const place = messageOf(error).match(/position \d+/)?.[0];
    throw new RequestError(
      'bad_request',
      `The body is not valid JSON${place ? ` (${place})` : ''}; ${FORM}.`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new RequestError('bad_request', `The body must be a JSON object with one field; ${FORM}.`);
}

/** Base64 has none of these characters. */
function hasManyValues(body: Buffer): boolean {
  let values = 0;
  for (const character of '[{,') {
    for (let at = body.indexOf(character); at >= 0; at = body.indexOf(character, at + 1)) {
      if (++values > MAX_VALUES) return true;
    }
  }
  return false;
}

function decoded(image: string): Uint8Array {
  try {
    const name = 'The field "image"';
    return /^\s*data:/i.test(image) ? decodeDataUrl(image.trim(), name) : decodeBase64(image, name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new RequestError('bad_request', `${error.message}.`, { cause: error });
  }
}
