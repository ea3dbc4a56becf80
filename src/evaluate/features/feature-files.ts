/**
 * Writes feature files: .npy (NumPy arrays of features, labels and paths), .safetensors, .jsonl (one JSON object for each
 * image).
 */
import { rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { UsageError, UserError } from '../../core/errors.ts';
import { npyHeader, npyStrings } from '../../core/npy.ts';
import { formatShape, type Shape, sameShape } from '../../core/shape.ts';
import { type NamedTensor, safetensorsPieces } from '../../weights/formats/safetensors/writer.ts';

/** The features of one image. */
export interface ImageFeatures {
  /** The image's path or address. */
  readonly path: string;
  /** Name of its class folder; undefined if it is not in one. */
  readonly label?: string;
  /** Smaller side Q of the rescaled image, in pixels. */
  readonly scale: number;
  /** `[C, H, W]`, or `[C]` if pooled or if the map has one position. */
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

export interface FeaturesFile {
  readonly path: string;
  readonly images: number;
  /** `[N, C]` or `[N, C, H, W]`; undefined if the images' shapes differ. */
  readonly shape?: Shape;
  /** Smaller side Q of the rescaled images, in pixels. */
  readonly scale?: number;
  /** Number of different labels. */
  readonly classes: number;
  /** Beside an .npy file, the files with the images' paths and, if there are classes, labels. */
  readonly pathsFile?: string;
  readonly labelsFile?: string;
}

const extensions = ['.npy', '.safetensors', '.jsonl'] as const;

/** All files that `writeFeatures` may write: an .npy file holds one array, so labels and paths have their own. */
export function filesFor(path: string): string[] {
  return extname(path) === '.npy' ? [path, besidePath(path, 'labels'), besidePath(path, 'paths')] : [path];
}

function besidePath(path: string, content: 'labels' | 'paths'): string {
  return path.replace(/\.npy$/, `.${content}.npy`);
}

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
  const seen: SeenImage[] = [];
  const passing = remember(features, seen);
  const write = { '.npy': writeNpy, '.jsonl': writeJsonLines, '.safetensors': writeTensors };
  const shape = await write[extname(path) as keyof typeof write](path, passing, count, layer);
  const classes = new Set(seen.map(({ label }) => label).filter((label) => label !== undefined)).size;
  const file = { path, images: seen.length, shape, scale: seen[0]?.scale, classes };
  return extname(path) === '.npy' ? { ...file, ...(await writeBeside(path, seen, classes > 0)) } : file;
}

type SeenImage = Pick<ImageFeatures, 'path' | 'label' | 'scale'>;

async function* remember(features: AsyncIterable<ImageFeatures>, seen: SeenImage[]) {
  for await (const one of features) {
    seen.push({ path: one.path, label: one.label, scale: one.scale });
    yield one;
  }
}

async function writeBeside(path: string, seen: readonly SeenImage[], hasLabels: boolean) {
  const [pathsFile, labelsFile] = [besidePath(path, 'paths'), besidePath(path, 'labels')];
  await writeFileAtomically(pathsFile, npyStrings(seen.map(({ path: image }) => image)));
  // Those of other features may be there, to be overwritten.
  if (!hasLabels) await rm(labelsFile, { force: true });
  else await writeFileAtomically(labelsFile, npyStrings(seen.map(({ label }) => label ?? '')));
  return { pathsFile, labelsFile: hasLabels ? labelsFile : undefined };
}

async function writeNpy(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  count: number,
): Promise<Shape | undefined> {
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
  return first && [rows, ...first];
}

async function writeJsonLines(path: string, features: AsyncIterable<ImageFeatures>): Promise<undefined> {
  async function* lines(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { values, ...rest } of features) {
      yield Buffer.from(`${JSON.stringify({ ...rest, values: [...values] })}\n`);
    }
  }
  await writeFileAtomically(path, lines());
}

/** One tensor `features` if all shapes are equal; otherwise one tensor for each image, named after its path. */
async function writeTensors(
  path: string,
  features: AsyncIterable<ImageFeatures>,
  _count: number,
  layer: string,
): Promise<Shape | undefined> {
  const all: ImageFeatures[] = [];
  for await (const one of features) all.push(one);
  const joined = joinFeatures(all);
  const separate = all.map(({ path: name, shape, values }) => ({ name, shape, data: values }));
  const metadata = {
    layer,
    scale: String(all[0]?.scale),
    images: JSON.stringify(all.map(({ path: image }) => image)),
    labels: JSON.stringify(all.map(({ label }) => label ?? null)),
  };
  const { pieces } = safetensorsPieces(path, joined ? [joined] : separate, metadata);
  await writeFileAtomically(path, pieces);
  return joined?.shape;
}

/** The features of all images as one tensor; undefined if their shapes differ. */
function joinFeatures(all: readonly ImageFeatures[]): NamedTensor | undefined {
  const [first] = all;
  if (!first || !all.every(({ shape }) => sameShape(shape, first.shape))) return undefined;
  const data = new Float32Array(all.length * first.values.length);
  for (const [i, { values }] of all.entries()) data.set(values, i * values.length);
  return { name: 'features', shape: [all.length, ...first.shape], data };
}
