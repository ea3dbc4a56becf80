import { once } from 'node:events';

import { stat } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { InvalidArgumentError } from 'commander';
import { type RunningServer, serveModels } from '../../api/serve-models.ts';
import { UserError } from '../../core/errors.ts';
import { kindOf, readBytes } from '../../core/files.ts';
import { openImages } from '../../data/sources/open-images.ts';
import { RunList } from '../../runs/run-list.ts';
import { defaultLimits } from '../../serve/server.ts';
import { type FlagsOf, newCommand, option, type Parser, repeatable, switchedOff } from '../command.ts';
import { formatOptions, readOptionsOf } from '../format-options.ts';
import { untilInterrupted } from '../interrupt.ts';
import { downloadModels, MODEL_NAMES } from '../model-downloads.ts';
import { localizer } from '../model-options.ts';
import { backend, colorProfiles, gpus, integer, positiveInteger, precision, threads } from '../options.ts';
import { log } from '../output.ts';
import { findFashionMnist } from './fashion-mnist.ts';

const DEFAULT_RUNS = 'runs';

const origin: Parser<string> = (text) => {
  if (URL.canParse(text) && new URL(text).origin === text) return text;
  throw new InvalidArgumentError('It must be an origin without a path, such as https://example.org.');
};

const options = {
  model: repeatable(
    option(
      '<model>',
      `model file of any format, or ${MODEL_NAMES}; may be repeated (default: the newest run's best model)`,
    ),
  ),
  localizer,
  runs: option('<folder>', 'folder whose run folders are shown (default: runs)'),
  host: option(
    '<address>',
    'address to listen on; any address but loopback needs --token-file',
    String,
    '127.0.0.1',
  ),
  port: option('<n>', 'port to listen on; 0: any free port', integer(0, 65_535), '8080'),
  tokenFile: option('<file>', 'file with the token that clients must send'),
  demoData: option(
    '<folder>',
    'data set that the page offers for training in the browser (default: Fashion-MNIST, the whole of it if its Debian package is installed)',
  ),
  weights: switchedOff('do not send weights to browsers, so they cannot run the model themselves'),
  cors: repeatable(
    option('<origin>', 'allow pages of this origin to use the server; may be repeated', origin),
  ),
  queue: option(
    '<n>',
    'maximum length of the queue, in images × scales; further requests get status 503',
    positiveInteger,
    '256',
  ),
  batch: option('<n>', 'maximum batch size', positiveInteger, '64'),
  maxBytes: option(
    '<n>',
    `largest image file to accept, in bytes (default: ${defaultLimits.imageBytes / 2 ** 20} MiB)`,
    positiveInteger,
  ),
  maxPixels: option(
    '<n>',
    `largest image to accept, in pixels (default: ${defaultLimits.pixels})`,
    positiveInteger,
  ),
  connections: option('<n>', 'maximum number of connections', positiveInteger, '1024'),
  drain: option(
    '<seconds>',
    'how long to wait for running requests when the server is stopped',
    positiveInteger,
    '30',
  ),
  colorProfiles,
  threads,
  backend,
  precision,
  gpus,
  ...formatOptions,
};
type Flags = FlagsOf<typeof options>;

/** `vgg serve`: models and runs over HTTP, and the page for them. */
export const command = newCommand('serve', {
  description:
    'Serve models over HTTP, with a page to classify images, inspect models and follow training runs.',
  examples: [
    'serve',
    'serve --model runs/demo/best.safetensors',
    'serve --model a.safetensors --model b.safetensors --port 8000',
    'serve --model m.safetensors --host 0.0.0.0 --token-file token.txt',
  ],
  options,
}).action(serve);

async function serve(flags: Flags): Promise<void> {
  letHeapGrow();
  const runs = await runsOf(flags);
  const models = flags.model ?? (await newestModel(runs));
  await downloadModels([...models, ...(flags.localizer ?? [])]);
  const server = await serveModels({
    ...flags,
    models,
    localizers: flags.localizer,
    runs,
    read: await readOptionsOf(flags),
    token: flags.tokenFile === undefined ? undefined : await readToken(flags.tokenFile),
    demoData: await demoDataOf(flags),
    limits: { imageBytes: flags.maxBytes, pixels: flags.maxPixels },
    batching: { batch: flags.batch },
    log,
  });
  log(introduction(server, models, runs));
  await untilInterrupted(async (signal) => {
    await once(signal, 'abort');
    log('stopping: finishing accepted requests (press Ctrl-C again to stop immediately)');
    await server.close(flags.drain * 1000);
  });
}

async function runsOf({ runs }: Flags): Promise<string> {
  // Runs that begin later appear, too.
  if (runs === undefined) return DEFAULT_RUNS;
  const found = await stat(runs).catch(() => undefined);
  if (found?.isDirectory()) return runs;
  throw new UserError(`--runs ${runs} is not a folder; name the folder that holds your run folders`);
}

async function demoDataOf({ demoData }: Flags): Promise<string> {
  if (demoData === undefined) return findFashionMnist();
  // Listing a large folder takes minutes, so its images are opened when they are needed.
  if ((await kindOf(demoData)) !== 'folder') await openImages(demoData);
  return demoData;
}

/** The best model of the run that was validated last, if there is one. */
async function newestModel(runs: string): Promise<string[]> {
  const found: { path: string; time: number }[] = [];
  for (const { folder } of await new RunList(runs).list()) {
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

function introduction({ url, models }: RunningServer, files: readonly string[], runs: string): string {
  const served = models.map((name, i) => `  model ${name}: ${files[i]}`);
  return [`Serving on ${url} (press Ctrl-C to stop)`, ...served, `  runs: ${runs}`].join('\n');
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
