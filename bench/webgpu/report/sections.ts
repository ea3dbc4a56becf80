/** The sections of the page that `npm run bench:gpu` writes, in Markdown. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { projectFolder } from '../../../src/core/project.ts';
import type { Benchmark } from '../../../src/report/benchmark-result.ts';
import { type Finished, faultOf } from './budget.ts';
import { writeCifarLike } from './cifar-like.ts';
import type { Settings } from './settings.ts';

const distFolder = fileURLToPath(new URL('../../..', import.meta.url));
const vgg = join(distFolder, 'src/cli/vgg.cjs');

type Mode = 'infer' | 'train';

/** A Markdown table. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map((_, column) => (column < 2 ? '---' : '---:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

async function bench(
  { network, seconds, budget }: Settings,
  mode: Mode,
  batch: number,
  precision: string,
  gpus: string,
): Promise<Benchmark | string> {
  const what = ['--mode', mode, '--batch', String(batch), '--precision', precision, '--gpus', gpus];
  const args = ['bench', ...network, ...what, '--backend', 'webgpu', '--seconds', String(seconds), '--json'];
  const finished = await budget.run(process.execPath, [vgg, ...args], 60);
  return finished.code === 0 ? (JSON.parse(finished.stdout) as Benchmark) : faultOf(finished);
}

function teraflops(gflops: number): string {
  return (gflops / 1000).toPrecision(3);
}

/** Inference and training in fp32 and f16: totals, then each by layer. */
export async function speeds(settings: Settings): Promise<string> {
  const totals: string[][] = [];
  const details: string[] = [];
  for (const precision of ['fp32', 'f16']) {
    for (const mode of ['infer', 'train'] as const) {
      for (const batch of settings[mode]) {
        const result = await bench(settings, mode, batch, precision, settings.gpu);
        const name = [mode === 'infer' ? 'inference' : 'training', precision, String(batch)];
        if (typeof result === 'string') totals.push([...name, result, '']);
        else {
          totals.push([...name, (result.msPerImage * batch).toFixed(2), teraflops(result.gflops)]);
          details.push(`### ${name[0]}, ${precision}, batch ${batch}`, layers(result));
        }
      }
    }
  }
  return [table(['mode', 'precision', 'batch', 'ms per batch', 'TFLOP/s'], totals), ...details].join('\n\n');
}

function layers({ layers: rows, batch }: Benchmark): string {
  if (rows.length === 0) return 'not measured by layer (the device has no timestamps)';
  const cells = rows.map(({ name, pass, algorithm, msPerImage, gflops, shareOfTime }) => [
    ...[name, pass, algorithm, (msPerImage * batch).toFixed(3)],
    ...[`${(100 * shareOfTime).toFixed(1)} %`, gflops > 0 ? teraflops(gflops) : ''],
  ]);
  return table(['layer', 'pass', 'algorithm', 'ms per batch', 'share of time', 'TFLOP/s'], cells);
}

interface TorchLine {
  readonly precision?: string;
  readonly mode?: Mode;
  readonly batch?: number;
  readonly ms?: number | null;
  readonly device?: string;
  readonly version?: string;
}

/** The same network in PyTorch, where Python has it with CUDA. */
export async function torch({ torch: network, infer, train, seconds, budget }: Settings): Promise<string> {
  // Python's source is not compiled into dist.
  const script = join(projectFolder, 'bench/webgpu/report/torch_gpu.py');
  const args = [script, ...network, infer.join(','), train.join(','), String(seconds / 2)];
  const finished = await budget.run('python3', args, 120);
  const lines = finished.stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as TorchLine] : []));
  const rows = lines.flatMap(({ mode, precision, batch, ms }) =>
    mode
      ? [
          [
            mode === 'infer' ? 'inference' : 'training',
            precision!,
            String(batch),
            ms?.toFixed(2) ?? 'out of memory',
          ],
        ]
      : [],
  );
  const about = lines.find(({ version }) => version !== undefined);
  if (rows.length === 0) return faultOf(finished);
  const heading = about ? `PyTorch ${about.version} on ${about.device}, channels last.` : faultOf(finished);
  return [heading, table(['mode', 'precision', 'batch', 'ms per batch'], rows)].join('\n\n');
}

/** Training on one, two and all GPUs, with the exchange by layer. */
export async function severalGpus(settings: Settings): Promise<string> {
  const { gpus: count, train } = settings;
  if (count < 2) return 'not measured (this machine has one GPU)';
  const batch = train.at(-1)!;
  const rows: string[][] = [];
  let exchange = '';
  for (const number of [...new Set([1, 2, count])]) {
    const which = number === 1 ? settings.gpu : String(number);
    const result = await bench(settings, 'train', batch * number, 'fp32', which);
    const name = [String(number), String(batch * number)];
    if (typeof result === 'string') rows.push([...name, result, '', '']);
    else {
      const { seconds = 0, exposedSeconds = 0, layers = [] } = result.exchange ?? {};
      const times = [result.msPerImage * batch * number, 1000 * seconds, 1000 * exposedSeconds];
      rows.push([...name, ...times.map((ms) => ms.toFixed(2))]);
      exchange = table(
        ['layer', 'MB', 'sent, ms after the pass', 'summed', 'hidden, %'],
        layers.map(({ layer, bytes, sentAt, arrivedAt, hidden }) => [
          ...[layer, (bytes / 1e6).toFixed(2), (1000 * sentAt).toFixed(2)],
          ...[(1000 * arrivedAt).toFixed(2), (100 * hidden).toFixed(0)],
        ]),
      );
    }
  }
  const head = ['GPUs', 'batch', 'ms per step', 'exchange, ms', 'of it not hidden, ms'];
  return [table(head, rows), ...(exchange ? [`The exchange over ${count} GPUs:`, exchange] : [])].join(
    '\n\n',
  );
}

/** One epoch with its validation, from the start of the program to its end. */
export async function cifarEpoch({ epoch, images, cifar, work, gpu, budget }: Settings): Promise<string> {
  const data = cifar ?? writeCifarLike(work, images);
  const engine = ['--backend', 'webgpu', '--gpus', gpu];
  const args = ['train', data, '--out', join(work, 'run'), ...epoch, ...engine, '--json'];
  const finished = await budget.run(process.execPath, [vgg, ...args], 120);
  if (finished.code !== 0) return faultOf(finished);
  const last = JSON.parse(readFileSync(join(work, 'run/metrics.jsonl'), 'utf8').trim().split('\n').at(-1)!);
  const what = cifar ? basename(cifar) : `${5 * images} images of noise in CIFAR-10's format`;
  return `${what}, \`vgg train ${epoch.join(' ')}\`: ${finished.seconds.toFixed(1)} s from start to end; validation error ${(100 * last.top1Error).toFixed(1)} %.`;
}

/** The project's own tests of this backend, in fp32 and, where the GPU has it, f16. */
export async function suites({ suites: shared, ownSuites, budget }: Settings): Promise<string> {
  const rows: string[][] = [];
  for (const [what, names, pattern] of [
    ['all backends, fp32', shared, '^webgpu: '],
    ['all backends, f16', shared, '^webgpu in f16: '],
    ['this backend', ownSuites, '.'],
  ] as const) {
    const args = ['--test', '--test-reporter=tap', `--test-name-pattern=${pattern}`, ...testFiles(names)];
    rows.push([what, ...outcome(await budget.run(process.execPath, args, 100))]);
  }
  return table(['tests for', 'result', 'passed', 'failed'], rows);
}

function testFiles(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const folder = join(distFolder, 'test', dirname(name));
    const found = readdirSync(folder).filter(
      (file) => file.startsWith(basename(name)) && file.endsWith('.test.js'),
    );
    return found.map((file) => join(folder, file));
  });
}

function outcome(finished: Finished): string[] {
  const count = (what: string) => new RegExp(`^# ${what} (\\d+)$`, 'm').exec(finished.stdout)?.[1];
  const [passed, failed] = [count('pass'), count('fail')];
  if (passed === undefined || failed === undefined) return [faultOf(finished), '', ''];
  if (failed === '0') return [passed === '0' ? 'not measured (skipped)' : 'passed', passed, failed];
  const names = [...finished.stdout.matchAll(/^ *not ok \d+ - (.*)$/gm)].map(([, name]) => name!);
  return [names.slice(0, 5).join('; ').replaceAll('|', '/'), passed, failed];
}
