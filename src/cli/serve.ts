import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type RunningServer, serveModels } from '../api/serve-models.ts';
import { messageOf, UserError } from '../core/errors.ts';
import type { BackendName, Precision } from '../kernels/registry.ts';
import { runFolder } from '../runs/run-folder.ts';
import { defaultLimits } from '../serve/server.ts';
import { newCommand } from './command.ts';
import { FASHION_MNIST } from './demo.ts';
import { addForeignOptions, type ForeignFlags, readOptionsOf } from './foreign-options.ts';
import { backendOption, integer, positiveInteger, precisionOption, threadsOption } from './options.ts';
import { log } from './output.ts';
import { letHeapGrow } from './server-heap.ts';

interface Flags extends ForeignFlags {
  readonly model?: readonly string[];
  readonly runs?: string;
  readonly host: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly weights: boolean;
  readonly demoData?: string;
  readonly cors?: readonly string[];
  readonly queue: number;
  readonly batch: number;
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly connections: number;
  readonly drain: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly precision: Precision;
}

const DEFAULT_RUNS = 'runs';

/** `vgg serve`: models and runs over HTTP, and the page that shows them. */
export function serveCommand(): Command {
  const command = newCommand('serve', {
    description: 'Serve models over HTTP, with a page to use them, to look inside and to watch trainings.',
    examples: [
      'serve --model runs/photos/best.safetensors',
      'serve --model a.safetensors --model b.safetensors --port 8000',
      'serve --model m.safetensors --host 0.0.0.0 --token-file token.txt',
    ],
  })
    .addOption(
      new Option(
        '--model <file>',
        'model file of any format; may be given several times (default: the newest run’s best model)',
      ).argParser((path: string, before: readonly string[] = []) => [...before, path]),
    )
    .option('--runs <folder>', 'folder of run folders to show (default: runs, where there is one)')
    .option('--host <address>', 'address to listen on; another than loopback needs --token-file', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0: any that is free', integer(0, 65_535), 8080)
    .option('--token-file <file>', 'file with a token that clients must send')
    .option(
      '--demo-data <folder>',
      "labelled images, of which the page's visitors get some to train on (default: Fashion-MNIST, where Debian's package of it is)",
    )
    .option('--no-weights', 'keep the weights: pages cannot run the model on their visitors’ GPUs')
    .addOption(
      new Option(
        '--cors <origin>',
        'let pages of this origin use the server; may be given several times',
      ).argParser(origins),
    )
    .option(
      '--queue <n>',
      'images times scales taken on at a time; more are answered with 503',
      positiveInteger,
      256,
    )
    .option('--batch <n>', 'images computed at once, at most', positiveInteger, 64)
    .option('--max-bytes <n>', 'bytes of an image, at most', positiveInteger, defaultLimits.imageBytes)
    .option('--max-pixels <n>', 'pixels of an image, at most', positiveInteger, defaultLimits.pixels)
    .option('--connections <n>', 'connections, at most', positiveInteger, 1024)
    .option(
      '--drain <seconds>',
      'how long requests may take to end when the server is stopped',
      positiveInteger,
      30,
    )
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(precisionOption());
  return addForeignOptions(command).action(serve);
}

function origins(text: string, before: readonly string[] = []): readonly string[] {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    throw new InvalidArgumentError('It must be an origin such as https://example.org, without a path.');
  }
  return [...before, text];
}

async function serve(flags: Flags): Promise<void> {
  const { host, port, cors, queue, batch, connections, threads, backend, precision } = flags;
  letHeapGrow();
  const runs = await runsOf(flags);
  const models = flags.model ?? (await newestModel(runs));
  const server = await serveModels({
    models,
    read: await readOptionsOf(flags),
    runs,
    host,
    port,
    token: flags.tokenFile === undefined ? undefined : await readToken(flags.tokenFile),
    weights: flags.weights,
    demoData: demoDataOf(flags),
    cors,
    limits: { imageBytes: flags.maxBytes, pixels: flags.maxPixels },
    queue,
    connections,
    batching: { batch },
    backend,
    precision,
    threads,
    log,
  });
  log(introduction(server, models, runs));
  await untilStopped();
  log('stopping: finishing what was accepted (again: stop at once)');
  await server.close(flags.drain * 1000);
}

async function runsOf({ runs }: Flags): Promise<string | undefined> {
  if (runs === undefined) return existsSync(DEFAULT_RUNS) ? DEFAULT_RUNS : undefined;
  const found = await stat(runs).catch(() => undefined);
  if (found?.isDirectory()) return runs;
  throw new UserError(`--runs ${runs} is no folder; name one that holds run folders`);
}

function demoDataOf({ demoData }: Flags): string | undefined {
  if (demoData === undefined) return existsSync(FASHION_MNIST) ? FASHION_MNIST : undefined;
  if (existsSync(demoData)) return demoData;
  throw new UserError(`--demo-data ${demoData} is not there; name a folder of labelled images`);
}

/** The best model of the run that was validated last; none where there is none. */
async function newestModel(runs: string | undefined): Promise<string[]> {
  const found: { path: string; time: number }[] = [];
  for (const name of runs === undefined ? [] : await readdir(runs)) {
    const path = runFolder(join(runs!, name)).bestFile;
    const file = await stat(path).catch(() => undefined);
    if (file) found.push({ path, time: file.mtimeMs });
  }
  const [newest] = found.sort((a, b) => b.time - a.time);
  if (newest) log(`no --model was given: serving the newest run's, ${newest.path}`);
  else log('no --model was given, and no run has one: showing runs only');
  return newest ? [newest.path] : [];
}

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new UserError(`the token file ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const token = text.trim();
  if (/^[\x21-\x7e]{16,}$/.test(token)) return token;
  throw new UserError(
    `the token file ${path} must hold one token of 16 or more letters, digits or signs, such as \`openssl rand -hex 32\` prints`,
  );
}

function introduction(
  { url, models }: RunningServer,
  files: readonly string[],
  runs: string | undefined,
): string {
  const served = models.map((name, i) => `  model ${name}: ${files[i]}`);
  const shown = runs === undefined ? [] : [`  runs: ${runs}`];
  return [`Serving on ${url} (Ctrl-C stops)`, ...served, ...shown].join('\n');
}

/** The first signal asks for an orderly end; the second ends the process. */
async function untilStopped(): Promise<void> {
  await new Promise<void>((stop) => {
    let stopping = false;
    const onSignal = () => {
      if (stopping) process.exit(130);
      stopping = true;
      stop();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}
