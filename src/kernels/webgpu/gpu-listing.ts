/** Describes the GPUs of this machine for `vgg doctor`. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../core/errors.ts';
import { isSoftwareAdapter } from './adapter.ts';
import type { ListedGpu } from './gpu-choice.ts';
import { adapterOf, listGpus } from './node-adapters.ts';

const GIBIBYTE = 2 ** 30;

/**
 * One line for each GPU: its number for `--gpus`, name, memory if known, largest buffer and features.
 * @throws UserError when there is none.
 */
export async function describeGpus(): Promise<string[]> {
  const gpus = await listGpus();
  const memory = await nvidiaMemory();
  const lines: string[] = [];
  for (const gpu of gpus) lines.push(await describeGpu(gpu, gpus, memory));
  return lines;
}

async function describeGpu(
  gpu: ListedGpu,
  gpus: readonly ListedGpu[],
  memory: readonly NamedMemory[],
): Promise<string> {
  const name = `${gpu.number}: ${gpu.name}`;
  try {
    const { features, limits, info } = await adapterOf(gpu, gpus);
    const has = (feature: GPUFeatureName, what: string) => `${features.has(feature) ? '' : 'no '}${what}`;
    const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
    const facts = [
      ...(isSoftwareAdapter(info) ? ['software rendering on the CPU (slow)'] : []),
      memoryOf(gpu, memory),
      `buffers up to ${(largest / GIBIBYTE).toFixed(1)} GiB`,
      has('shader-f16', 'f16'),
      has('subgroups', 'subgroups'),
      has('timestamp-query', 'timestamps'),
    ];
    return `${name} (${facts.filter((fact) => fact !== undefined).join(', ')})`;
  } catch (error) {
    return `${name} (cannot be used: ${messageOf(error)})`;
  }
}

interface NamedMemory {
  readonly name: string;
  readonly mebibytes: number;
}

/** WebGPU does not report a GPU's memory. NVIDIA's driver comes with a program that does. */
async function nvidiaMemory(): Promise<NamedMemory[]> {
  const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 });
    return parseMemory(stdout);
  } catch {
    return [];
  }
}

/** @param csv lines such as `NVIDIA H200, 143771` */
export function parseMemory(csv: string): NamedMemory[] {
  return [...csv.matchAll(/^(.+), *(\d+)$/gm)].map(([, name, mebibytes]) => ({
    name: name!.trim(),
    mebibytes: Number(mebibytes),
  }));
}

/** Among identical GPUs the order does not matter: they have the same memory. */
function memoryOf({ name }: ListedGpu, memory: readonly NamedMemory[]): string | undefined {
  const found = memory.find((other) => other.name === name);
  return found && `${(found.mebibytes / 1024).toFixed(0)} GiB of memory`;
}
