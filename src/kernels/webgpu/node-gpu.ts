/** Opens the machine's GPU from Node, through npm's `webgpu` (Google's Dawn). */
import { messageOf, UserError } from '../../core/errors.ts';
import { adapterName, deviceDescriptor, Gpu, type GpuOptions, isSoftwareAdapter } from './device.ts';
import { NodeTileMemory } from './node-tile-memory.ts';
import type { GpuPrecision } from './shaders/storage.ts';

const SOFTWARE =
  'to try it without a GPU, let Vulkan use SwiftShader, which Debian has with chromium: install libvulkan1 and set VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json';

/** The same device for all of a precision: pipelines are compiled once a process. */
const opened = new Map<GpuPrecision, Promise<Gpu>>();

/** Dawn ends with this object, and takes its devices along: it lives as long as the process. */
let instance: GPU | undefined;

/**
 * @param asked options are for a device of one's own
 * @throws UserError where the package, a driver, a GPU, or what it needs for f16 is missing, with what to do.
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
  // Browsers round time stamps, so that pages learn nothing of each other. Here there is nobody to hide from.
  instance ??= (await loadDawn()).create(['disable-dawn-features=timestamp_quantization']);
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) {
    throw new UserError(
      `backend webgpu finds no GPU: install the driver of yours (Linux: Vulkan's, with libvulkan1), or leave --backend out; ${SOFTWARE}`,
    );
  }
  const descriptor = deviceDescriptor(adapter, options.precision);
  try {
    const device = await adapter.requestDevice(descriptor);
    return new Gpu(device, adapter.info, { schedules: schedulesOf(adapter.info, options), ...options });
  } catch (error) {
    throw new UserError(
      `the GPU ${adapter.info.description} gives no device (${messageOf(error)}): update its driver, or leave --backend out`,
      { cause: error },
    );
  }
}

/** The cache folder, unless tiles are given or the environment's VERYDEEP_SCHEDULES is `off`; `on`: for software, too. */
function schedulesOf(info: GPUAdapterInfo, options: GpuOptions): GpuOptions['schedules'] {
  const asked = process.env.VERYDEEP_SCHEDULES;
  if (asked === 'off' || options.tiles) return 'off';
  return asked === 'on' || !isSoftwareAdapter(info) ? new NodeTileMemory(adapterName(info)) : undefined;
}

async function loadDawn(): Promise<{ create(options: string[]): GPU }> {
  try {
    return await import('webgpu');
  } catch (error) {
    throw new UserError(
      `backend webgpu needs npm's package webgpu, which is not there or does not load (${firstLine(messageOf(error))}): install it with \`npm install webgpu\`, or leave --backend out`,
      { cause: error },
    );
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}
