/** Opens the machine's GPU in Node, through the npm package `webgpu` (Google's Dawn). */

import { RememberedLines } from '../../core/cache.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { adapterName, deviceDescriptor, isSoftwareAdapter } from './adapter.ts';
import { Gpu, type GpuOptions } from './gpu.ts';
import { chosenGpus, gpusOfRank, type ListedGpu, type LocalRank } from './gpu-choice.ts';
import { adapterOf, listGpus } from './node-adapters.ts';
import type { GpuPrecision } from './shaders/storage-format.ts';
import { TILE_FORMAT } from './tuning/remembered-tiles.ts';

/** One device for each GPU and precision, so that a process compiles each pipeline only once. */
const opened = new Map<string, Promise<Gpu>>();

/**
 * @param asked a precision, to share one device within the process, or options, to open a new device. Default: `fp32`
 * @throws UserError, with the remedy, when the package, a driver, a GPU or its support of f16 is missing.
 */
export function openNodeGpu(asked: GpuOptions | GpuPrecision = 'fp32'): Promise<Gpu> {
  if (typeof asked === 'object') return open(asked);
  return shared(asked, () => open({ precision: asked }));
}

/**
 * Opens the GPUs that `--gpus` names, or of these the ones of one process among several on this machine.
 * @throws UserError as `openNodeGpu` does, and when there is no such GPU.
 */
export async function openNodeGpus(
  precision: GpuPrecision,
  { gpus: asked = 'all', rank }: { readonly gpus?: string; readonly rank?: LocalRank },
): Promise<Gpu[]> {
  const all = await listGpus();
  const chosen = chosenGpus(asked, all);
  const own = rank ? gpusOfRank(chosen, rank) : chosen;
  const gpus: Gpu[] = [];
  // One after another, as the layer's settings are those of the process.
  for (const gpu of own) {
    const options = { precision, label: `GPU ${gpu.number}` };
    gpus.push(await shared(`${precision} ${gpu.number}`, () => open(options, gpu, all)));
  }
  return gpus;
}

function shared(key: string, make: () => Promise<Gpu>): Promise<Gpu> {
  let gpu = opened.get(key);
  if (!gpu) {
    gpu = make().catch((error: unknown) => {
      opened.delete(key);
      throw error;
    });
    opened.set(key, gpu);
  }
  return gpu;
}

async function open(options: GpuOptions, gpu?: ListedGpu, all?: readonly ListedGpu[]): Promise<Gpu> {
  const adapter = await adapterOf(gpu, all);
  const descriptor = deviceDescriptor(adapter, options.precision);
  try {
    const device = await adapter.requestDevice(descriptor);
    return new Gpu(device, adapter.info, { schedules: schedulesOf(adapter.info, options), ...options });
  } catch (error) {
    throw new UserError(
      `the GPU ${adapter.info.description} could not be opened (${messageOf(error)}): update its driver, or leave out --backend`,
      { cause: error },
    );
  }
}

/** A cache file, unless tiles are given or VERYDEEP_SCHEDULES is `off`; on software devices only if it is `on`. */
function schedulesOf(info: GPUAdapterInfo, options: GpuOptions): GpuOptions['schedules'] {
  const asked = process.env.VERYDEEP_SCHEDULES;
  if (asked === 'off' || options.tiles) return 'off';
  return asked === 'on' || !isSoftwareAdapter(info) ? rememberedTiles(adapterName(info)) : undefined;
}

/** A GPU's fastest kernels, remembered between runs. @param folder default: the user's cache folder */
export function rememberedTiles(adapter: string, folder?: string): RememberedLines {
  return new RememberedLines({
    subfolder: 'gpu-tiles',
    about: adapter,
    format: TILE_FORMAT,
    line: /^\S+ \S+$/,
    folder,
  });
}
