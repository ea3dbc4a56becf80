/**
 * How verydeep changed the weights in a file for another framework. The metadata key `verydeep.written` is JSON: the
 * preprocessing that conv1_1 was changed for, and, if its weights were multiplied, the original ones, so that reading
 * the file back gives the same bits.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { bytesOf } from '../tensors/element-types.ts';
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
  /** conv1_1's weights before they were multiplied, and the SHA-256 of the products, in canonical layout. */
  exact: z.strictObject({ sha256: z.string(), values: z.base64() }).optional(),
});

export interface WrittenForm {
  readonly preprocessing: Preprocessing;
  readonly exact?: { readonly sha256: string; readonly values: string };
}

/** @returns undefined without a record. @throws UserError naming the file when the record is damaged. */
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

/** @param multiplied conv1_1's weights as in the file, in canonical order; undefined if nothing was multiplied */
export function formatWrittenForm(
  preprocessing: Preprocessing,
  before: Float32Array,
  multiplied: Float32Array | undefined,
): string {
  const exact = multiplied && {
    sha256: sha256(multiplied),
    values: Buffer.from(bytesOf(before)).toString('base64'),
  };
  return JSON.stringify({ preprocessing, exact });
}

/** The weights before they were multiplied, if the file still holds the products; else undefined. */
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

function sha256(values: Float32Array): string {
  return createHash('sha256').update(bytesOf(values)).digest('hex');
}
