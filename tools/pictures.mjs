/**
 * Takes the pictures of README.md and the tutorials: the page of `vgg serve` and a report, of the demo's run, by
 * Chromium. Run `npm run demo` first.
 *
 *   node tools/pictures.mjs [--run runs/demo] [--photo runs/photos/val/coat/0015.png]
 */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const projectFolder = resolve(fileURLToPath(import.meta.url), '../..');
const vgg = join(projectFolder, 'dist/src/cli/vgg.cjs');
const pictures = join(projectFolder, 'docs/pictures');
const { values } = parseArgs({
  options: {
    run: { type: 'string', default: 'runs/demo' },
    photo: { type: 'string', default: 'runs/photos/val/coat/0015.png' },
  },
});

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
});
try {
  await picturePage();
  await pictureReport();
} finally {
  await browser.close();
}

/** The classification of a photograph, on the page. */
async function picturePage() {
  const server = spawn(process.execPath, [
    ...[vgg, 'serve', '--port', '0', '--threads', '1'],
    ...['--model', join(values.run, 'best.safetensors')],
  ]);
  try {
    const page = await openPage(await addressOf(server), { width: 1100, height: 720 });
    await page.getByLabel('Image file').setInputFiles(values.photo);
    await page.getByRole('img', { name: /^Occlusion map of / }).waitFor();
    await save(await page.screenshot(), 'page');
  } finally {
    server.kill('SIGTERM');
  }
}

/** The report of the run: its head and the first curve, beside the errors by class and the confusion matrix. */
async function pictureReport() {
  const folder = await mkdtemp(join(tmpdir(), 'verydeep-pictures-'));
  try {
    const report = join(folder, 'report.html');
    const options = ['report', values.run, '--out', report, '--threads', '1'];
    await promisify(execFile)(process.execPath, [vgg, ...options]);
    const page = await openPage(pathToFileURL(report).href, { width: 780, height: 720 });
    const tops = await page
      .locator('h3')
      .evaluateAll((headings) => headings.map((heading) => heading.getBoundingClientRect().top));
    const errors = await page
      .locator('h3')
      .evaluateAll((headings) => headings.findIndex(({ textContent }) => /by class/i.test(textContent)));
    // The swatches of a legend are drawings, too.
    const [firstChart] = await page
      .locator('svg')
      .evaluateAll((drawings) =>
        drawings.map((drawing) => drawing.getBoundingClientRect()).filter(({ height }) => height > 100),
      );
    const left = await slice(page, 0, firstChart.bottom);
    const right = await slice(page, tops[errors], tops[errors + 2]);
    await save(await sideBySide(left, right), 'report');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A strip of a page, as wide as the page. */
async function slice(page, from, to) {
  const { width } = page.viewportSize();
  return page.screenshot({ fullPage: true, clip: { x: 0, y: from, width, height: to - from } });
}

async function sideBySide(...pictures) {
  const sizes = await Promise.all(pictures.map((picture) => sharp(picture).metadata()));
  const canvas = {
    width: sizes.reduce((sum, { width }) => sum + width, 0),
    height: Math.max(...sizes.map(({ height }) => height)),
  };
  return sharp({ create: { ...canvas, channels: 3, background: 'white' } })
    .composite([
      { input: pictures[0], left: 0, top: 0 },
      { input: pictures[1], left: sizes[0].width, top: 0 },
    ])
    .png()
    .toBuffer();
}

async function openPage(address, viewport) {
  const context = await browser.newContext({ viewport, deviceScaleFactor: 1.5, colorScheme: 'light' });
  const page = await context.newPage();
  await page.goto(address);
  return page;
}

/** Waits until the server prints its address. */
function addressOf(server) {
  return new Promise((done, failed) => {
    let printed = '';
    for (const stream of [server.stdout, server.stderr]) {
      stream.on('data', (text) => {
        printed += text;
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(printed)?.[0];
        if (address) done(address);
      });
    }
    server.once('close', (code) => failed(new Error(`vgg serve exited with ${code}: ${printed}`)));
  });
}

async function save(png, name) {
  const path = join(pictures, `${name}.webp`);
  const { size } = await sharp(png).webp({ quality: 82, effort: 6 }).toFile(path);
  console.log(`${path}: ${Math.round(size / 1024)} KB`);
}
