/**
 * Makes a large data set of small, different JPEGs, and measures what a training does before its first iteration.
 *
 *     node dist/bench/large-set.js make FOLDER [--images 200000] [--classes 1000]    # continues where it stopped
 *     node dist/bench/large-set.js measure FOLDER
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp, { type Sharp } from 'sharp';
import { openImages } from '../src/data/sources/open-images.ts';
import { surveyImages } from '../src/data/training/color-survey.ts';
import { recordImages } from '../src/train/data-record.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '200000' },
    classes: { type: 'string', default: '1000' },
  },
});
const [task, folder] = positionals;
if (folder === undefined) throw new Error('usage: node dist/bench/large-set.js make|measure FOLDER');
const perClass = Math.ceil(Number(values.images) / Number(values.classes));
const [WIDTH, HEIGHT] = [64, 48];

/** Two color gradients and a pattern that no other image has. */
function imageOf(label: number, number: number): Sharp {
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

async function make(folder: string): Promise<void> {
  for (let label = 0; label < Number(values.classes); label++) {
    const name = `n${String(label).padStart(8, '0')}`;
    const inside = join(folder, name);
    await mkdir(inside, { recursive: true });
    const done = new Set(await readdir(inside));
    const files = Array.from(
      { length: perClass },
      (_, number) => [number, `${name}_${number}.JPEG`] as const,
    );
    const missing = files.filter(([, file]) => !done.has(file));
    await Promise.all(
      missing.map(async ([number, file]) =>
        writeFile(join(inside, file), await imageOf(label, number).jpeg({ quality: 80 }).toBuffer()),
      ),
    );
  }
}

async function measured<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const seconds = ((performance.now() - start) / 1000).toFixed(2);
  const { user, system } = process.cpuUsage(before);
  const cpu = ((user + system) / 1e6).toFixed(2);
  console.log(
    `${what}: ${seconds} s, processor time ${cpu} s, resident ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`,
  );
  return result;
}

async function measure(folder: string): Promise<void> {
  const cacheFolder = await mkdtemp(join(tmpdir(), 'verydeep-large-'));
  console.log(`start: resident ${Math.round(process.memoryUsage().rss / 2 ** 20)} MiB`);
  const source = await measured('listing', () => openImages(folder));
  console.log(`${source.length} images, ${source.classes.length} classes`);
  await measured('fingerprint', () => source.fingerprint());
  await measured('record', () => recordImages(source));
  await measured('survey', () => surveyImages(source, { cacheFolder }));
  await rm(cacheFolder, { recursive: true });
}

await (task === 'make' ? make : measure)(folder);
