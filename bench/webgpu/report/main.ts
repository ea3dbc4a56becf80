/**
 * Measures a GPU and writes one Markdown page: tests, tiles, speed by layer, PyTorch beside it, an epoch, several GPUs.
 * `npm run bench:gpu -- [--out gpu.md] [--gpu 0] [--cifar FOLDER] [--minutes 8] [--small]`; it builds nothing. Each part
 * is a separate process, so that one that fails or takes too long leaves the others. `--small` uses shapes that a
 * software device can compute.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeFileAtomically } from '../../../src/core/atomic-file.ts';
import { messageOf } from '../../../src/core/errors.ts';
import { version } from '../../../src/core/project.ts';
import { describeGpus } from '../../../src/kernels/webgpu/gpu-listing.ts';
import { Budget } from './budget.ts';
import { cifarEpoch, severalGpus, speeds, suites, torch } from './sections.ts';
import { largeSizes, type Settings, smallSizes } from './settings.ts';

const { values: flags } = parseArgs({
  options: {
    out: { type: 'string', default: 'gpu.md' },
    gpu: { type: 'string', default: '0' },
    cifar: { type: 'string' },
    minutes: { type: 'string', default: '8' },
    small: { type: 'boolean', default: false },
  },
});

const work = mkdtempSync(join(tmpdir(), 'verydeep-gpu-'));
const environment = {
  // Its own cache, so that the tiles are those that this run chose.
  XDG_CACHE_HOME: join(work, 'cache'),
  VERYDEEP_TEST_GPU: 'real',
};
const gpus = await describeGpus().catch((error: unknown) => {
  console.error(messageOf(error));
  process.exit(1);
});
const settings: Settings = {
  ...(flags.small ? smallSizes : largeSizes),
  gpu: `device=${flags.gpu}`,
  gpus: gpus.length,
  cifar: flags.cifar,
  work,
  // The page is written within the limit.
  budget: new Budget(60 * Number(flags.minutes) - 5, environment),
};

/** The tiles that were chosen, from the cache of this run. */
async function tiles(): Promise<string> {
  const folder = join(work, 'cache/verydeep/gpu-tiles');
  try {
    const lines = readdirSync(folder).flatMap((file) =>
      readFileSync(join(folder, file), 'utf8').split('\n').slice(1),
    );
    const rows = lines
      .filter((line) => /^\S+ \S+$/.test(line))
      .map((line) => `| ${line.replace(' ', ' | ')} |`);
    if (rows.length > 0) return ['| pass, shape | tile |', '|---|---|', ...rows].join('\n');
  } catch {
    // No file: nothing was chosen.
  }
  return 'not measured (software devices use the default tiles)';
}

const sections: readonly (readonly [title: string, make: () => Promise<string>])[] = [
  ['Speed', () => speeds(settings)],
  ['PyTorch', () => torch(settings)],
  ['Several GPUs', () => severalGpus(settings)],
  ['An epoch of CIFAR-10', () => cifarEpoch(settings)],
  ['Conformance and golden suites', () => suites(settings)],
  ['Tiles', tiles],
];
const page = [
  `# ${gpus[Number(flags.gpu)] ?? gpus[0]}`,
  [
    `verydeep ${version}, Node ${process.version}, ${process.platform} ${process.arch}, ${cpus()[0]?.model ?? 'unknown processor'} (${cpus().length} cores), ${new Date().toISOString().slice(0, 10)}.`,
    `All GPUs: ${gpus.join('; ')}.`,
    `Times are of the fastest run; TFLOP/s count the multiplications and additions of direct convolution. The network is ${settings.name}.`,
  ].join(' '),
];
for (const [title, make] of sections) {
  console.error(`${title} … (${settings.budget.secondsLeft.toFixed(0)} s left)`);
  const text = await make().catch((error: unknown) => `not measured (${messageOf(error)})`);
  page.push(`## ${title}`, text);
  // After each section, so that an interruption loses only the rest.
  await writeFileAtomically(flags.out, `${page.join('\n\n')}\n`);
}
rmSync(work, { recursive: true, force: true });
console.log(`${flags.out} written`);
process.exit();
