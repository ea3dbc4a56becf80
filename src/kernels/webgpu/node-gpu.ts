/** Opens the machine's GPU in Node, through the npm package `webgpu` (Google's Dawn). */

import { RememberedLines } from '../../core/cache.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { adapterName, deviceDescriptor, isSoftwareAdapter } from './adapter.ts';
import { Gpu, type GpuOptions } from './gpu.ts';
import type { GpuPrecision } from './shaders/storage-format.ts';
import { TILE_FORMAT } from './tuning/remembered-tiles.ts';

const SOFTWARE =
  'to try it without a GPU, let Vulkan use SwiftShader, which is part of chromium on Debian: install libvulkan1 and set VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json';

/** One device for each precision, so that a process compiles each pipeline only once. */
const opened = new Map<GpuPrecision, Promise<Gpu>>();

/** Dawn destroys its devices with this object, so it must live as long as the process. */
let instance: GPU | undefined;

/**
 * @param asked a precision, to share one device within the process, or options, to open a new device. Default: `fp32`
 * @throws UserError, with the remedy, when the package, a driver, a GPU or its support of f16 is missing.
 */
export function openNodeGpu(asked: GpuOptions | GpuPrecision = 'fp32'): Promise<Gpu> {
  if (typeof asked === 'object') return open(asked);
  let gpu = opened.get(asked);
  if (!gpu) {
    gpu = open({ precision: asked }).catch((error: unknown) => {
      opened.delete(asked);
      throw error;
    });
    opened.set(asked, gpu);
  }
  return gpu;
}

async function open(options: GpuOptions): Promise<Gpu> {
  // By default Dawn rounds timestamps as browsers must, so that pages cannot spy on each other.
  instance ??= (await loadDawn()).create(['disable-dawn-features=timestamp_quantization']);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new UserError(
      `backend webgpu found no GPU: install your GPU's driver (on Linux the one for Vulkan, with libvulkan1), or leave out --backend; ${SOFTWARE}`,
    );
  }
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

async function loadDawn(): Promise<{ create(options: string[]): GPU }> {
  try {
    return await import('webgpu');
  } catch (error) {
    throw new UserError(
      `backend webgpu needs the npm package webgpu, which is missing or does not load (${firstLine(messageOf(error))}): install it with \`npm install webgpu\`, or leave out --backend`,
      { cause: error },
    );
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
