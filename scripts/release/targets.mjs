/**
 * The platforms that a release is built for.
 * @typedef {object} Target
 * @property {string} name of the package, after `@verydeep/`
 * @property {string} triple what zig calls the platform, with the oldest supported version of its C library or system
 * @property {string} cpu the oldest supported processor; kernels for newer ones are chosen when they run
 * @property {'elf' | 'mach-o' | 'pe'} format
 * @property {'Linux' | 'Darwin' | 'Windows'} system CMake's name
 * @property {{ os: [string], cpu: [string], libc?: [string] }} condition npm installs the package where all apply
 */

/**
 * @param {'x64' | 'arm64'} arch
 * @param {'glibc' | 'musl'} libc
 * @returns {Target}
 */
function linux(arch, libc) {
  const [processor, cpu] = arch === 'x64' ? ['x86_64', 'x86_64_v2'] : ['aarch64', 'generic'];
  return {
    name: `linux${libc === 'musl' ? 'musl' : ''}-${arch}`,
    triple: `${processor}-linux-${libc === 'musl' ? 'musl' : `gnu.${OLDEST_GLIBC}`}`,
    cpu,
    format: 'elf',
    system: 'Linux',
    condition: { os: ['linux'], cpu: [arch], libc: [libc] },
  };
}

export const OLDEST_GLIBC = '2.17';

/** @type {readonly Target[]} */
export const targets = [
  linux('x64', 'glibc'),
  linux('arm64', 'glibc'),
  linux('x64', 'musl'),
  linux('arm64', 'musl'),
  {
    name: 'darwin-arm64',
    triple: 'aarch64-macos.11.0',
    cpu: 'apple_m1',
    format: 'mach-o',
    system: 'Darwin',
    condition: { os: ['darwin'], cpu: ['arm64'] },
  },
  {
    name: 'darwin-x64',
    triple: 'x86_64-macos.11.0',
    cpu: 'x86_64_v2',
    format: 'mach-o',
    system: 'Darwin',
    condition: { os: ['darwin'], cpu: ['x64'] },
  },
  {
    name: 'win32-x64',
    triple: 'x86_64-windows-gnu',
    cpu: 'x86_64_v2',
    format: 'pe',
    system: 'Windows',
    condition: { os: ['win32'], cpu: ['x64'] },
  },
];

export const addonFiles = ['verydeep_kernels.node', 'verydeep_images.node'];
