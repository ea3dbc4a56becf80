/** The checks of `vgg doctor`. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { arch, availableParallelism, platform, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { availableCores, cpuQuota } from '../../core/available-cores.ts';
import { defaultCacheFolder } from '../../core/cache.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { ADDON_REMEDY, formatAttempts } from '../../core/platform-addon.ts';
import { projectFolder } from '../../core/project.ts';
import { formatBytes } from '../../report/format.ts';
import { allowsVersion, canWriteUnder, memory, processorName, vectorInstructions } from '../machine.ts';

export interface Check {
  readonly name: string;
  /** `missing`: something will not work; `warning`: it will work, but slowly or not for long. */
  readonly status: 'ok' | 'warning' | 'missing';
  readonly found: string;
  /** What to do, unless the status is ok. */
  readonly remedy?: string;
}

export const checks: readonly (() => Check | Promise<Check>)[] = [
  checkNode,
  checkPlatform,
  checkProcessor,
  checkMemory,
  checkImages,
  checkEngine,
  checkGpu,
  checkCache,
  checkDisk,
];

function checkNode(): Check {
  const manifest = readFileSync(join(projectFolder, 'package.json'), 'utf8');
  const range = (JSON.parse(manifest) as { engines: { node: string } }).engines.node;
  const found = process.versions.node;
  if (allowsVersion(range, found)) return { name: 'Node', status: 'ok', found };
  const remedy = `install Node ${range} from https://nodejs.org or your system's packages`;
  return { name: 'Node', status: 'missing', found, remedy };
}

function checkPlatform(): Check {
  const found = `${platform()} ${arch()}, ${release()}`;
  return { name: 'system', status: 'ok', found };
}

function checkProcessor(): Check {
  const sets = vectorInstructions();
  const cores = availableCores();
  const quota = cpuQuota();
  const limit =
    quota !== undefined && quota < availableParallelism()
      ? ` (CPU quota ${quota.toFixed(2)} of ${availableParallelism()})`
      : '';
  const vectors =
    sets === undefined ? 'vector instructions unknown' : sets.join(', ') || 'no vector instructions';
  const found = `${processorName()}, ${cores} ${cores === 1 ? 'core' : 'cores'}${limit}, ${vectors}`;
  if (arch() !== 'x64' || sets === undefined || (sets.includes('AVX2') && sets.includes('FMA'))) {
    return { name: 'processor', status: 'ok', found };
  }
  return {
    name: 'processor',
    status: 'warning',
    found,
    remedy: 'without AVX2 and FMA everything runs several times slower; use a newer CPU',
  };
}

const ENOUGH_MEMORY = 4 * 2 ** 30;

function checkMemory(): Check {
  const { total, free } = memory();
  const found = `${formatBytes(total)}, ${formatBytes(free)} free`;
  if (total >= ENOUGH_MEMORY) return { name: 'memory', status: 'ok', found };
  const remedy = 'run `vgg plan` to see what fits; lower --micro-batch or --width';
  return { name: 'memory', status: 'warning', found, remedy };
}

const neededFormats = ['jpeg', 'png', 'webp'] as const;

async function checkImages(): Promise<Check> {
  const name = 'images';
  const remedy = 'reinstall the npm packages on this machine: npm ci';
  try {
    const { default: sharp } = await import('sharp');
    const missing = neededFormats.filter((format) => !sharp.format[format].input.buffer);
    const found = `sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, reads ${neededFormats.filter((format) => !missing.includes(format)).join(', ')}`;
    if (missing.length === 0) return checkRescaling(name, found);
    return { name, status: 'missing', found: `${found} but not ${missing.join(', ')}`, remedy };
  } catch (error) {
    return { name, status: 'missing', found: `sharp fails to load: ${firstLine(messageOf(error))}`, remedy };
  }
}

/** Loads the image addon, and rescales one pixel with it. */
async function checkRescaling(name: string, found: string): Promise<Check> {
  const { findImageAddon } = await import('../../data/pixels/image-addon.ts');
  const { addon, tried } = findImageAddon();
  if (!addon) {
    const others = formatAttempts(tried);
    return {
      name,
      status: 'warning',
      found: `${found}; slowly, as no image addon loads (tried ${others})`,
      remedy: ADDON_REMEDY,
    };
  }
  try {
    const { resampleNow } = await import('../../data/pixels/rescale.ts');
    resampleNow({ width: 1, height: 1, pixels: new Uint8Array(3) }, { width: 2, height: 2 });
    return { name, status: 'ok', found: `${found}; rescales` };
  } catch (error) {
    const remedy = firstLine(messageOf(error));
    return { name, status: 'missing', found: `${found}; rescaling fails`, remedy };
  }
}

/** Opens the kernels, and prints their description, where they are from, and why not the others. */
async function checkEngine(): Promise<Check> {
  const name = 'backend';
  try {
    const { openKernels } = await import('../../kernels/open-kernels.ts');
    const { backend, tried } = openKernels();
    await backend.started;
    const taken = `${backend.description}, from ${tried.at(-1)!.source}`;
    const others = tried.slice(0, -1);
    const found = others.length > 0 ? `${taken}; not ${formatAttempts(others)}` : taken;
    if (backend.name !== 'wasm') return { name, status: 'ok', found };
    return { name, status: 'warning', found: `${found}; slower than native kernels`, remedy: ADDON_REMEDY };
  } catch (error) {
    const message = messageOf(error);
    // The backend's own message includes the remedy.
    const [found, remedy] =
      error instanceof UserError
        ? ['no kernels load', message]
        : [`no kernels load: ${firstLine(message)}`, ADDON_REMEDY];
    return {
      name,
      status: 'missing',
      found,
      remedy: `${remedy} (until then --backend reference works, slowly)`,
    };
  }
}

/** Prints the descriptions of all GPUs, or why there is none. */
const LIST_GPUS = `
const { describeGpus } = await import(process.argv[1]);
const text = await describeGpus().then((gpus) => gpus.join('; ') + ' (--backend webgpu)', (error) => error.message.split(':', 1)[0] + ' (optional)');
process.stdout.write(text, () => process.exit());
`;

/**
 * Lists the GPUs that WebGPU finds. A machine without one is fine. This happens in another process, because drivers write
 * warnings to stderr, and a broken one may crash.
 */
async function checkGpu(): Promise<Check> {
  const name = 'GPU';
  const listing = new URL('../../kernels/webgpu/gpu-listing.js', import.meta.url).href;
  try {
    const args = ['--input-type=module', '--eval', LIST_GPUS, listing];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
    return { name, status: 'ok', found: stdout.trim() };
  } catch {
    const remedy = 'update or remove the Vulkan driver, or ignore this: the CPU does not need it';
    return { name, status: 'warning', found: 'the GPU driver crashes or does not answer', remedy };
  }
}

function checkCache(): Check {
  const found = defaultCacheFolder();
  if (found !== undefined && canWriteUnder(found)) return { name: 'cache', status: 'ok', found };
  return {
    name: 'cache',
    status: 'warning',
    found: found === undefined ? 'none: this user has no home folder' : `${found} is not writable`,
    remedy: 'set XDG_CACHE_HOME to a writable folder; without a cache every run scans its data set again',
  };
}

const ENOUGH_DISK = 4 * 2 ** 30;

async function checkDisk(): Promise<Check> {
  const disk = await statfs('.').catch(() => undefined);
  if (disk === undefined) {
    return {
      name: 'disk',
      status: 'warning',
      found: 'the current folder cannot be read',
      remedy: 'run vgg in another',
    };
  }
  const { bavail, bsize } = disk;
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in this folder`;
  if (free >= ENOUGH_DISK) return { name: 'disk', status: 'ok', found };
  const remedy =
    'free some space: a full-size network in training takes 2.6 GiB (checkpoint, best model and a reserve), and 1.1 GiB more while the checkpoint is replaced';
  return { name: 'disk', status: 'warning', found, remedy };
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]!;
}
