/** Writes feature files: .npy (NumPy array), .safetensors, .jsonl (one JSON object for each image). */
import { extname } from 'node:path';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { UsageError, UserError } from '../../core/errors.ts';
import { npyHeader } from '../../core/npy.ts';
import { formatShape, type Shape, sameShape } from '../../core/shape.ts';
import { type NamedTensor, safetensorsPieces } from '../../weights/formats/safetensors/writer.ts';

/** The features of one image. */
export interface ImageFeatures {
  /** The image file. */
  readonly path: string;
  /** `[C, H, W]`, or `[C]` if pooled or if the map has one position. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface FeaturesFile {
  readonly path: string;
  readonly images: number;
  /** `[N, C]` or `[N, C, H, W]`; undefined if the images' shapes differ. */
  readonly shape?: Shape;
}

const extensions = ['.npy', '.safetensors', '.jsonl'] as const;

/** @throws UsageError listing the extensions. */
export function checkFeaturesPath(path: string): void {
  if ((extensions as readonly string[]).includes(extname(path))) return;
  throw new UsageError(
    `--out ${path} must end in ${extensions.join(', ')}: the extension selects the format`,
  );
}

/**
 * Writes features as they arrive. If anything fails, an existing file remains unchanged.
 * @param count number of images; there may be fewer features
 * @param layer recorded in .safetensors
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
      return writeJsonLines(path, features);
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
  let rows = 0;
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { path: image, shape, values } of features) {
      if (!first) yield npyHeader([count, ...shape]);
      first ??= shape;
      rows++;
      if (!sameShape(first, shape)) {
        throw new UserError(
          `${image} has features of shape ${formatShape(shape)}, the first image of shape ${formatShape(first)}, and an .npy file holds one shape; pool them (--pool mean), use center crops (--view center), or write .jsonl or .safetensors`,
        );
      }
      yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    }
  }
  await writeFileAtomically(path, pieces(), () =>
    first && rows < count ? npyHeader([rows, ...first], npyHeader([count, ...first]).length) : undefined,
  );
  return { path, images: rows, shape: first && [rows, ...first] };
}

async function writeJsonLines(path: string, features: AsyncIterable<ImageFeatures>): Promise<FeaturesFile> {
  let images = 0;
  async function* lines(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { path: image, shape, values } of features) {
      images++;
      yield Buffer.from(`${JSON.stringify({ path: image, shape, values: [...values] })}\n`);
    }
  }
  await writeFileAtomically(path, lines());
  return { path, images };
}

/** One tensor `features` if all shapes are equal; otherwise one tensor for each image, named after its path. */
async function writeTensors(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  layer: string,
): Promise<FeaturesFile> {
  const all: ImageFeatures[] = [];
  for await (const one of features) all.push(one);
  const joined = joinFeatures(all);
  const separate = all.map(({ path: name, shape, values }) => ({ name, shape, data: values }));
  const metadata = { layer, images: JSON.stringify(all.map(({ path: image }) => image)) };
  const { pieces } = safetensorsPieces(path, joined ? [joined] : separate, metadata);
  await writeFileAtomically(path, pieces);
  return { path, images: all.length, shape: joined?.shape };
}

/** The features of all images as one tensor; undefined if their shapes differ. */
function joinFeatures(all: readonly ImageFeatures[]): NamedTensor | undefined {
  const [first] = all;
  if (!first || !all.every(({ shape }) => sameShape(shape, first.shape))) return undefined;
  const data = new Float32Array(all.length * first.values.length);
  for (const [i, { values }] of all.entries()) data.set(values, i * values.length);
  return { name: 'features', shape: [all.length, ...first.shape], data };
}
