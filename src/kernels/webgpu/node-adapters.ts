/// <reference types="@webgpu/types" />
/**
 * The GPUs that Dawn's binding for Node can open. It opens the first one whose name contains a text, and otherwise only
 * lists names, so identical GPUs are told apart by a Vulkan layer (native/kernels/gpu_layer.cpp).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf, UserError } from '../../core/errors.ts';
import { findKernels } from '../native/load-addon.ts';
import type { ListedGpu } from './gpu-choice.ts';

const SOFTWARE =
  'to try it without a GPU, let Vulkan use SwiftShader, which is part of chromium on Debian: install libvulkan1 and set VK_DRIVER_FILES=/usr/lib/chromium/vk_swiftshader_icd.json';

/** Dawn destroys its devices with these objects, so they must live as long as the process. */
const instances: GPU[] = [];

const PREFERENCE: GPURequestAdapterOptions = { powerPreference: 'high-performance' };

/** No GPU has this name, for which Dawn answers with the names of all. */
const NO_NAME = '\u0001';

/**
 * Lists the GPUs.
 * @throws UserError when the package is missing or there is no GPU.
 */
export async function listGpus(): Promise<ListedGpu[]> {
  const instance = await newInstance(NO_NAME);
  try {
    await instance.requestAdapter(PREFERENCE);
  } catch (error) {
    const names = [...messageOf(error).matchAll(/backend: '[^']*', name: '(.*)'/g)];
    if (names.length > 0) return names.map(([, name], number) => ({ number, name: name! }));
  }
  throw noGpu();
}

/**
 * Finds the adapter of a GPU.
 * @param gpu default: the fastest one
 * @param gpus all of them
 * @throws UserError when it cannot be told from another.
 */
export async function adapterOf(gpu?: ListedGpu, gpus: readonly ListedGpu[] = []): Promise<GPUAdapter> {
  if (!gpu) {
    const instance = await newInstance();
    return (await instance.requestAdapter(PREFERENCE)) ?? raise(noGpu());
  }
  const containing = gpus.filter(({ name }) => name.includes(gpu.name));
  const earlier = containing.filter(({ number }) => number < gpu.number);
  if (earlier.length === 0) return (await named(gpu)) ?? raise(noGpu());
  const twins = earlier.filter(({ name }) => name === gpu.name).length;
  const isAlone = twins < earlier.length;
  const layer = isAlone ? undefined : layerFolder();
  if (layer === undefined) throw indistinguishable(gpu);
  const settings = {
    VK_LAYER_PATH: layer,
    VK_INSTANCE_LAYERS: [LAYER, process.env.VK_INSTANCE_LAYERS].filter(Boolean).join(':'),
    VERYDEEP_GPU_SKIP: String(twins),
  };
  return (await named(gpu, settings)) ?? raise(indistinguishable(gpu));
}

/** Vulkan reads its settings when Dawn first looks for adapters, which is before `requestAdapter` returns. */
async function named(
  { name }: ListedGpu,
  settings: Readonly<Record<string, string>> = {},
): Promise<GPUAdapter | null> {
  const instance = await newInstance(name);
  const before = Object.keys(settings).map((key) => [key, process.env[key]] as const);
  Object.assign(process.env, settings);
  try {
    return await instance.requestAdapter(PREFERENCE).catch(() => null);
  } finally {
    for (const [key, value] of before) {
      if (value === undefined) delete process.env[key];
      else process.env[key] = value;
    }
  }
}

const LAYER = 'VK_LAYER_VERYDEEP_gpus';
let folder: string | undefined;

/** A folder with the manifest of the layer; undefined where there is none. */
function layerFolder(): string | undefined {
  const file = findKernels().addon?.gpuLayerFile?.();
  if (!file) return undefined;
  if (folder === undefined) {
    folder = mkdtempSync(join(tmpdir(), 'verydeep-gpus-'));
    const layer = {
      name: LAYER,
      type: 'GLOBAL',
      library_path: file,
      api_version: '1.3.0',
      implementation_version: '1',
      description: 'Tells identical GPUs apart',
    };
    writeFileSync(join(folder, 'layer.json'), JSON.stringify({ file_format_version: '1.2.0', layer }));
    const made = folder;
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  }
  return folder;
}

function indistinguishable({ number, name }: ListedGpu): UserError {
  return new UserError(
    `GPU ${number} (${name}) cannot be told from an earlier one here: let the process see only that GPU, as docs/guides/gpu.md describes, or leave out --gpus`,
  );
}

function noGpu(): UserError {
  return new UserError(
    `backend webgpu found no GPU: install your GPU's driver (on Linux the one for Vulkan, with libvulkan1), or leave out --backend; ${SOFTWARE}`,
  );
}

function raise(error: Error): never {
  throw error;
}

async function newInstance(adapter?: string): Promise<GPU> {
  // By default Dawn rounds timestamps as browsers must, so that pages cannot spy on each other.
  const flags = ['disable-dawn-features=timestamp_quantization'];
  const instance = (await loadDawn()).create([...flags, ...(adapter ? [`adapter=${adapter}`] : [])]);
  instances.push(instance);
  return instance;
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
