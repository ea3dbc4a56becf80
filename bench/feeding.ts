/**
 * The cost of decoding: training steps on JPEGs that are decoded each time, compared with the same steps on synthetic
 * images in memory (`vgg bench`), in alternation:
 *
 *     node dist/bench/feeding.js DATA [--config D] [--scale 256,256..512] [--batch 16] [--steps 6] [--rounds 2]
 *
 * DATA is a folder with class folders under train/ and val/. A step on JPEGs should take at most 1.10 times as long.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { projectFolder } from '../src/core/project.ts';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    config: { type: 'string', default: 'D' },
    scale: { type: 'string', default: '256,256..512' },
    batch: { type: 'string', default: '16' },
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '2' },
  },
});
const [data] = positionals;
if (data === undefined) throw new Error('no data given: node dist/bench/feeding.js DATA');
const vgg = join(projectFolder, 'dist', 'src', 'cli', 'main.js');
const run = promisify(execFile);

/** Steps that start threads, fill the first batch and select schedules. */
const WARM_UP = 2;

/** Milliseconds per image of each step of `vgg train`, by the time between the lines of its metrics. */
async function fromJpegs(scale: string): Promise<number[]> {
  const folder = await mkdtemp(join(tmpdir(), 'verydeep-feeding-'));
  const out = join(folder, 'run');
  const iterations = WARM_UP + Number(flags.steps);
  try {
    // biome-ignore format: a flag and its value belong together
    await run(process.execPath, [
      vgg, 'train', data!, '--out', out, '--config', flags.config, '--scale', scale, '--batch', flags.batch,
      '--iterations', String(iterations), '--memory-budget', '1', '--log-every', '1', '--validate-every', '1000000',
    ]);
    const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const seconds = lines
      .map((line) => JSON.parse(line) as { kind: string; seconds: number })
      .filter(({ kind }) => kind === 'train')
      .map((line) => line.seconds);
    return seconds
      .slice(WARM_UP)
      .map((end, step) => ((end - seconds[step + WARM_UP - 1]!) * 1000) / Number(flags.batch));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Milliseconds per image of `vgg bench`, which has its images in memory. */
async function fromMemory(): Promise<number> {
  const { stdout } = await run(process.execPath, [
    ...[vgg, 'bench', '--mode', 'train', '--config', flags.config],
    ...['--batch', flags.batch, '--json'],
  ]);
  return (JSON.parse(stdout) as { medianMsPerImage: number }).medianMsPerImage;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

for (const scale of flags.scale.split(',')) {
  const ratios: number[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    const before = await fromMemory();
    const steps = await fromJpegs(scale);
    const after = await fromMemory();
    const memory = (before + after) / 2;
    ratios.push(median(steps) / memory);
    process.stdout.write(
      `S = ${scale}: ${median(steps).toFixed(1)} ms per image from JPEGs, ${before.toFixed(1)} and ${after.toFixed(1)} from memory before and after, ratio ${ratios.at(-1)!.toFixed(3)}\n`,
    );
  }
  process.stdout.write(`S = ${scale}: median ratio ${median(ratios).toFixed(3)}\n`);
}
