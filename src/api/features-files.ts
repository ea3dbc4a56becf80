/** Files of features: .npy (NumPy's array file), .safetensors, .jsonl (one JSON object an image). */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { messageOf, UsageError, UserError } from '../core/errors.ts';
import { npyHeader } from '../core/npy.ts';
import { formatShape, type Shape, sameShape } from '../core/shape.ts';
import { type NamedTensor, safetensorsPieces } from '../weights/formats/safetensors/writer.ts';
import type { ImageFeatures } from './features.ts';

export interface FeaturesFile {
  readonly path: string;
  readonly images: number;
  /** Of all features together where they are alike: `[N, C]` or `[N, C, H, W]`. */
  readonly shape?: Shape;
}

const kinds = ['.npy', '.safetensors', '.jsonl'] as const;

/** @throws UsageError naming the extensions there are. */
export function checkFeaturesPath(path: string): void {
  if ((kinds as readonly string[]).includes(extname(path))) return;
  throw new UsageError(`--out ${path} should end in ${kinds.join(', ')}, which says what to write`);
}

/**
 * Writes features as they come, whole or not at all.
 * @param count how many will come
 * @param layer noted in .safetensors
 * @throws UserError when the file cannot be written, or an .npy file's features differ in shape.
 */
export async function writeFeatures(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  count: number,
  layer: string,
): Promise<FeaturesFile> {
  checkFeaturesPath(path);
  switch (extname(path)) {
    case '.npy':
      return writeNpy(path, features, count);
    case '.jsonl':
      return writeLines(path, features);
    default:
      return writeTensors(path, features, layer);
  }
}

async function writeNpy(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  count: number,
): Promise<FeaturesFile> {
  let first: Shape | undefined;
  let images = 0;
  await writeThroughTemporary(path, async (file) => {
    for await (const { path: image, shape, values } of features) {
      if (!first) await file.write(npyHeader([count, ...shape]));
      first ??= shape;
      if (!sameShape(first, shape)) {
        throw new UserError(
          `${image} has features of ${formatShape(shape)} and the first image ${formatShape(first)}, and an .npy file holds one shape; pool them (--pool mean), see the centre only (--view center), or write .jsonl or .safetensors`,
        );
      }
      await writeAll(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      images++;
    }
  });
  return { path, images, ...(first && { shape: [images, ...first] }) };
}

async function writeLines(path: string, features: AsyncIterable<ImageFeatures>): Promise<FeaturesFile> {
  let images = 0;
  await writeThroughTemporary(path, async (file) => {
    for await (const { path: image, shape, values } of features) {
      await writeAll(file, Buffer.from(`${JSON.stringify({ path: image, shape, values: [...values] })}\n`));
      images++;
    }
  });
  return { path, images };
}

/** One tensor `features` where all are alike; else one an image, under its path. */
async function writeTensors(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  layer: string,
): Promise<FeaturesFile> {
  const all: ImageFeatures[] = [];
  for await (const one of features) all.push(one);
  const [first] = all;
  const alike = first && all.every(({ shape }) => sameShape(shape, first.shape));
  const metadata = { layer, images: JSON.stringify(all.map(({ path: image }) => image)) };
  if (!alike) {
    const tensors = all.map(({ path: name, shape, values }): NamedTensor => ({ name, shape, data: values }));
    await writeFileAtomically(path, safetensorsPieces(path, tensors, metadata).pieces);
    return { path, images: all.length };
  }
  const shape = [all.length, ...first.shape];
  const data = new Float32Array(all.length * first.values.length);
  for (const [i, { values }] of all.entries()) data.set(values, i * values.length);
  const tensors = [{ name: 'features', shape, data }];
  await writeFileAtomically(path, safetensorsPieces(path, tensors, metadata).pieces);
  return { path, images: all.length, shape };
}

async function writeThroughTemporary(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const file = await open(temporary, 'wx').catch((error: unknown) => {
    throw new UserError(`${path} could not be written: ${messageOf(error)}`, { cause: error });
  });
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.byteLength; ) {
    offset += (await file.write(bytes, offset, bytes.byteLength - offset)).bytesWritten;
  }
}
