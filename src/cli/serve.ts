import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type RunningServer, serveModels } from '../api/serve-models.ts';
import { UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import type { BackendName, Precision } from '../kernels/backend-options.ts';
import { RunsFolder } from '../runs/runs-folder.ts';
import { defaultLimits } from '../serve/server.ts';
import { newCommand } from './command.ts';
import { FASHION_MNIST } from './demo.ts';
import { type ForeignFlags, readOptionsOf } from './foreign-options.ts';
import { addFormatOptions, modelOption } from './model-options.ts';
import { backendOption, integer, positiveInteger, precisionOption, threadsOption } from './options.ts';
import { log } from './output.ts';

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

/** `vgg serve`: models and runs over HTTP, and the page for them. */
export function serveCommand(): Command {
  const command = newCommand('serve', {
    description:
      'Serve models over HTTP, with a page to classify images, inspect models and follow training runs.',
    examples: [
      'serve --model runs/photos/best.safetensors',
      'serve --model a.safetensors --model b.safetensors --port 8000',
      'serve --model m.safetensors --host 0.0.0.0 --token-file token.txt',
    ],
  })
    .addOption(
      modelOption("model file of any format; may be repeated (default: the newest run's best model)"),
    )
    .option('--runs <folder>', 'folder of run folders to show (default: runs, if it exists)')
    .option(
      '--host <address>',
      'address to listen on; any address but loopback needs --token-file',
      '127.0.0.1',
    )
    .option('--port <n>', 'port to listen on; 0: any free port', integer(0, 65_535), 8080)
    .option('--token-file <file>', 'file with the token that clients must send')
    .option(
      '--demo-data <folder>',
      'labeled images that the page offers to try training with (default: Fashion-MNIST, if its Debian package is installed)',
    )
    .option('--no-weights', 'do not send weights to browsers: pages cannot run the model on their own GPU')
    .addOption(
      new Option(
        '--cors <origin>',
        'allow pages of this origin to use the server; may be repeated',
      ).argParser(origins),
    )
    .option(
      '--queue <n>',
      'maximum number of images × scales in the queue; more are answered with 503',
      positiveInteger,
      256,
    )
    .option('--batch <n>', 'maximum number of images in a batch', positiveInteger, 64)
    .option('--max-bytes <n>', 'maximum size of an image in bytes', positiveInteger, defaultLimits.imageBytes)
    .option('--max-pixels <n>', 'maximum number of pixels of an image', positiveInteger, defaultLimits.pixels)
    .option('--connections <n>', 'maximum number of connections', positiveInteger, 1024)
    .option(
      '--drain <seconds>',
      'how long the server waits for running requests when it is stopped',
      positiveInteger,
      30,
    )
    .addOption(threadsOption())
    .addOption(backendOption())
    .addOption(precisionOption());
  return addFormatOptions(command).action(serve);
}

function origins(text: string, before: readonly string[] = []): readonly string[] {
  if (!URL.canParse(text) || new URL(text).origin !== text) {
    throw new InvalidArgumentError('It must be an origin without a path, such as https://example.org.');
  }
  return [...before, text];
}

async function serve(flags: Flags): Promise<void> {
  letHeapGrow();
  const runs = await runsOf(flags);
  const models = flags.model ?? (await newestModel(runs));
  const server = await serveModels({
    ...flags,
    models,
    runs,
    read: await readOptionsOf(flags),
    token: flags.tokenFile === undefined ? undefined : await readToken(flags.tokenFile),
    demoData: demoDataOf(flags),
    limits: { imageBytes: flags.maxBytes, pixels: flags.maxPixels },
    batching: { batch: flags.batch },
    log,
  });
  log(introduction(server, models, runs));
  await untilStopped();
  log('stopping: finishing accepted requests (press Ctrl-C again to stop immediately)');
  await server.close(flags.drain * 1000);
}

async function runsOf({ runs }: Flags): Promise<string | undefined> {
  if (runs === undefined) return existsSync(DEFAULT_RUNS) ? DEFAULT_RUNS : undefined;
  const found = await stat(runs).catch(() => undefined);
  if (found?.isDirectory()) return runs;
  throw new UserError(`--runs ${runs} is not a folder; name the folder that holds your run folders`);
}

function demoDataOf({ demoData }: Flags): string | undefined {
  if (demoData === undefined) return existsSync(FASHION_MNIST) ? FASHION_MNIST : undefined;
  if (existsSync(demoData)) return demoData;
  throw new UserError(`--demo-data ${demoData} does not exist; name a folder of labeled images`);
}

/** The best model of the run that was validated last, if there is one. */
async function newestModel(runs: string | undefined): Promise<string[]> {
  const found: { path: string; time: number }[] = [];
  for (const { folder } of runs === undefined ? [] : await new RunsFolder(runs).list()) {
    const file = await stat(folder.bestFile).catch(() => undefined);
    if (file) found.push({ path: folder.bestFile, time: file.mtimeMs });
  }
  const [newest] = found.sort((a, b) => b.time - a.time);
  if (newest) log(`no --model given: serving the newest run's best model, ${newest.path}`);
  else log('no --model given, and no run has a model: showing runs only');
  return newest ? [newest.path] : [];
}

async function readToken(path: string): Promise<string> {
  const token = (await readBytes(path)).toString('utf8').trim();
  if (/^[\x21-\x7e]{16,}$/.test(token)) return token;
  throw new UserError(
    `the token file ${path} must hold one token of 16 or more printable characters; create one with \`openssl rand -hex 32\``,
  );
}

function introduction(
  { url, models }: RunningServer,
  files: readonly string[],
  runs: string | undefined,
): string {
  const served = models.map((name, i) => `  model ${name}: ${files[i]}`);
  const shown = runs === undefined ? [] : [`  runs: ${runs}`];
  return [`Serving on ${url} (press Ctrl-C to stop)`, ...served, ...shown].join('\n');
}

/** Resolves at the first signal; a second signal ends the process. */
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

/**
 * Lets V8's heap grow to four times its size before a full collection; call it before the process's work begins.
 *
 * Each request leaves half a megabyte of pixels outside the heap, which the young generation's collector frees within
 * seconds. But V8 counts those bytes against the old generation's room to grow, some megabytes with a heap of 30 MB,
 * and collects the whole heap once they are used up: every second with D at 20 images a second, 2 % of two cores' time.
 * Whether it does depends on whether a model file was in memory at the last collection, and so varies from start to
 * start. With this flag it did not happen in 12 to 25 seconds of load, and a heap of 30 MB takes 120 MB at most.
 */
function letHeapGrow(): void {
  setFlagsFromString('--heap-growing-percent=300');
}
