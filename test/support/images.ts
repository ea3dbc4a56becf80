/** Small real images and data sets for tests, made when they are needed. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { crc32, deflateSync } from 'node:zlib';
import sharp, { type Sharp } from 'sharp';
import { pack } from 'tar-stream';

import type { ImageSource, RgbImage, StoredImage } from '../../src/data/sources/image-source.ts';
import { range } from './lists.ts';

/** Contents by path. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A folder that is removed when the test has ended. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'verydeep-images-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes files, by path from the folder on, with the folders that they need. */
export async function writeFiles(folder: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}

/** An image without symmetry or repetition: smooth, so that JPEG keeps it, and different for each seed. */
export function pattern(width: number, height: number, seed = 0): RgbImage {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      pixels[at] = 20 + (200 * (x + 0.5)) / width;
      pixels[at + 1] = 20 + (200 * (y + 0.5)) / height;
      pixels[at + 2] = (37 * seed + 40 + (60 * (x + y)) / (width + height)) % 256;
    }
  }
  return { width, height, pixels };
}

export function toSharp({ pixels, width, height }: RgbImage): Sharp {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

export async function jpeg(width: number, height: number, seed = 0): Promise<Buffer> {
  return toSharp(pattern(width, height, seed))
    .jpeg({ quality: 98, chromaSubsampling: '4:4:4' })
    .toBuffer();
}

export async function png(width: number, height: number, seed = 0): Promise<Buffer> {
  return toSharp(pattern(width, height, seed))
    .png()
    .toBuffer();
}

/** A small PNG file of many black pixels: RGB, or 1 bit deep and gray. By default it holds fewer than it claims. */
export function hugePng(width: number, height: number, pixels = Buffer.alloc(1000), depth = 8): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, depth === 1 ? 0 : 2], 8);
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', deflateSync(pixels)), pngChunk('IEND')];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...chunks]);
}

function pngChunk(type: string, data: Uint8Array = new Uint8Array(0)): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(type), data, Buffer.alloc(4)]);
  chunk.writeUInt32BE(data.length, 0);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, -4)), data.length + 8);
  return chunk;
}

/** An IDX file of unsigned bytes. */
export function idx(shape: readonly number[], values: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt32BE(0x0800 + shape.length);
  for (const [i, extent] of shape.entries()) header.writeUInt32BE(extent, 4 + 4 * i);
  return Buffer.concat([header, values]);
}

/** A tar file, made by tar-stream. */
export async function tar(files: readonly (readonly [name: string, content: string | Uint8Array])[]) {
  const archive = pack();
  for (const [name, content] of files) archive.entry({ name }, Buffer.from(content));
  archive.finalize();
  return buffer(archive);
}

/** The label of each image. */
export function labelsOf(source: ImageSource): number[] {
  return range(source.length).map((index) => source.label(index));
}

/** All that a source of files lists, to compare sources; names start after the location. */
export async function listing(source: ImageSource): Promise<unknown> {
  const { location, classes, labels, split, unused } = source;
  const images = range(source.length).map((i) => [
    source.imageName(i).slice(location.length),
    source.label(i),
  ]);
  const texts = await Promise.all(range(source.length).map((i) => textOf(source, i)));
  return { classes, labels, split, unused: unused && [...unused].sort(), images, texts };
}

/** What a stored file holds, as text. */
export async function textOf(source: ImageSource, index: number): Promise<string> {
  const stored = await source.read(index);
  assert.ok(stored.kind === 'encoded');
  return Buffer.from(stored.bytes).toString();
}

/** Writes files into a new folder that is removed when the test has ended. */
export async function folderWith(t: TestContext, files: Files): Promise<string> {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, files);
  return folder;
}

/** A source whose images are made by a function, to test what uses sources. */
export function sourceOf(
  count: number,
  read: (index: number) => StoredImage | Promise<StoredImage>,
  classes = 2,
): ImageSource {
  const names = range(classes).map((i) => `class ${i}`);
  return {
    location: 'made up',
    classes: names,
    labels: names,
    length: count,
    label: (index) => index % classes,
    imageName: (index) => `image-${index}`,
    read: async (index) => read(index),
    fingerprint: async () => `fingerprint-${count}`,
  };
}
