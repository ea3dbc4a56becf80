import { existsSync } from 'node:fs';

const DEBIANS_SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/**
 * Makes Vulkan use the software GPU of Debian's chromium, so that the GPU tests run on every machine with the same
 * results. To run them on a real GPU, set VK_DRIVER_FILES to its driver, or VERYDEEP_TEST_GPU=real.
 */
export function useSoftwareGpu(): void {
  if (process.env.VERYDEEP_TEST_GPU === 'real') return;
  if (process.env.VK_DRIVER_FILES === undefined && existsSync(DEBIANS_SWIFTSHADER)) {
    process.env.VK_DRIVER_FILES = DEBIANS_SWIFTSHADER;
  }
}
