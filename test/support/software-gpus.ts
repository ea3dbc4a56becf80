import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findKernels } from '../../src/kernels/native/load-addon.ts';

const LIBRARY = '/usr/lib/chromium/libvk_swiftshader.so';

/** Why this machine cannot have several software GPUs, or false. */
export const withoutSoftwareGpus: string | false = missing();

function missing(): string | false {
  if (!existsSync(LIBRARY)) return 'needs the software GPU of Debian’s chromium';
  return findKernels().addon?.gpuLayerFile?.() ? false : 'needs the Vulkan layer of the native addon';
}

/**
 * Settings with which a process sees several identical GPUs: copies of a software driver.
 * @param folder where to write them
 */
export function softwareGpus(folder: string, count: number): NodeJS.ProcessEnv {
  const files = Array.from({ length: count }, (_, number) => {
    const library = join(folder, `driver-${number}.so`);
    copyFileSync(LIBRARY, library);
    const file = join(folder, `driver-${number}.json`);
    const driver = { file_format_version: '1.0.0', ICD: { library_path: library, api_version: '1.0.5' } };
    writeFileSync(file, JSON.stringify(driver));
    return file;
  });
  return { VK_DRIVER_FILES: files.join(':') };
}
