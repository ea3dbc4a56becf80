/**
 * Makes a large data set of small, different JPEGs, to measure listing, survey and training at the size of ILSVRC.
 * Continues where an earlier call stopped.
 *
 *     node bench/large-set.mjs FOLDER [--images 200000] [--classes 1000]
 */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '200000' },
    classes: { type: 'string', default: '1000' },
  },
});
const [folder] = positionals;
if (folder === undefined)
  throw new Error('usage: node bench/large-set.mjs FOLDER [--images N] [--classes N]');
const perClass = Math.ceil(Number(values.images) / Number(values.classes));
const [WIDTH, HEIGHT] = [64, 48];

/** Two color gradients and a pattern that no other image has. */
function pixelsOf(label, number) {
  const pixels = new Uint8Array(WIDTH * HEIGHT * 3);
  const phase = (label * perClass + number) * 0.618034;
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const wave = Math.sin(phase + (x * (1 + (label % 7))) / 9 + (y * (1 + (number % 5))) / 7);
      const at = 3 * (y * WIDTH + x);
      pixels[at] = 128 + 60 * wave + (label % 64);
      pixels[at + 1] = 4 * x * (0.5 + 0.25 * wave) + (number % 64);
      pixels[at + 2] = 5 * y * (0.5 - 0.25 * wave) + (phase % 64);
    }
  }
  return sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

for (let label = 0; label < Number(values.classes); label++) {
  const name = `n${String(label).padStart(8, '0')}`;
  const inside = join(folder, name);
  await mkdir(inside, { recursive: true });
  const done = new Set(await readdir(inside));
  const files = Array.from({ length: perClass }, (_, number) => [number, `${name}_${number}.JPEG`]);
  const missing = files.filter(([, file]) => !done.has(file));
  await Promise.all(
    missing.map(async ([number, file]) =>
      writeFile(join(inside, file), await pixelsOf(label, number).jpeg({ quality: 80 }).toBuffer()),
    ),
  );
}
