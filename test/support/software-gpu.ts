import { existsSync } from 'node:fs';

const DEBIANS_SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Lets Vulkan find the software GPU that Debian's chromium brings, so that the tests of the GPU's kernels run on
 * every machine and give everywhere the same. Whoever wants them on a real GPU sets VK_DRIVER_FILES to its driver.
 */
export function useSoftwareGpu(): void {
  if (process.env.VK_DRIVER_FILES === undefined && existsSync(DEBIANS_SWIFTSHADER)) {
    process.env.VK_DRIVER_FILES = DEBIANS_SWIFTSHADER;
  }
}
