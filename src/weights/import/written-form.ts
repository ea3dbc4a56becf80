/**
 * What a file that verydeep wrote for another framework says of itself: the model's facts, and the form that
 * its weights were given. `verydeep.written` is JSON: the preprocessing that conv1_1 was made for, and, where
 * its weights were multiplied, the ones before, so that reading the file back gives the very same bits.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import type { Preprocessing } from './preprocessing.ts';

export const WRITTEN_KEY = 'verydeep.written';

const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();
const schema = z.strictObject({
  preprocessing: z.strictObject({
    channelOrder: z.enum(['rgb', 'bgr']),
    scale: z.number().positive(),
    mean: triple,
    std: triple,
  }),
  /** conv1_1's weights before they were multiplied, and the SHA-256 of what became of them, canonical layout. */
  exact: z.strictObject({ sha256: z.string(), values: z.base64() }).optional(),
});

export interface WrittenForm {
  readonly preprocessing: Preprocessing;
  readonly exact?: { readonly sha256: string; readonly values: string } | undefined;
}

/** @throws UserError naming the file when the record is damaged; undefined where there is none. */
export function parseWrittenForm(
  path: string,
  metadata: Readonly<Record<string, string>>,
): WrittenForm | undefined {
  const text = Object.hasOwn(metadata, WRITTEN_KEY) ? metadata[WRITTEN_KEY] : undefined;
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new UserError(`${path}: metadata ${WRITTEN_KEY} is damaged; write the file again`, {
      cause: error,
    });
  }
}

/** @param multiplied conv1_1's weights as the file has them, in canonical order; undefined where nothing was multiplied */
export function formatWrittenForm(
  preprocessing: Preprocessing,
  before: Float32Array,
  multiplied: Float32Array | undefined,
): string {
  const exact = multiplied && {
    sha256: sha256(multiplied),
    values: Buffer.from(before.buffer, before.byteOffset, before.byteLength).toString('base64'),
  };
  return JSON.stringify({ preprocessing, exact });
}

/** The weights before they were multiplied, when the file still has what became of them; else undefined. */
export function exactBefore(
  { exact }: WrittenForm,
  multiplied: Float32Array,
): Float32Array<ArrayBuffer> | undefined {
  if (!exact || exact.sha256 !== sha256(multiplied)) return undefined;
  const bytes = Buffer.from(exact.values, 'base64');
  if (bytes.length !== multiplied.byteLength) return undefined;
  const values = new Float32Array(multiplied.length);
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

function sha256({ buffer, byteOffset, byteLength }: Float32Array): string {
  return createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('hex');
}
