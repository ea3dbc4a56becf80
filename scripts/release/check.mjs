/** What an addon needs from a system and what it exports, read from the file. Needs the program `objdump` or `readelf`. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { probe } from '../setup/command.mjs';
import { SetupError } from '../setup/report.mjs';
import { OLDEST_GLIBC } from './targets.mjs';

/** @typedef {{ needed: string[], exported: string[], glibc?: string[], system?: string }} Facts */

const LARGEST = 3 * 2 ** 20;
const exportable = [
  'napi_register_module_v1',
  'node_api_module_get_api_version_v1',
  // The kernels are also a Vulkan layer (native/kernels/gpu_layer.cpp).
  'vkNegotiateLoaderLayerInterfaceVersion',
];
/** zig exports these names of the file's own start, whatever it is told. */
const MACHO_HEADER = ['_mh_dylib_header', '__dso_handle'];
const systemLibraries = {
  elf: /^(lib(c|m|pthread|dl|rt)\.so\.\d+|libc\.so|ld-(linux|musl)[\w-]*\.so\.\d+)$/,
  'mach-o': /^\/usr\/lib\/libSystem\.B\.dylib$/,
  pe: /^(KERNEL32\.dll|api-ms-win-crt-[\w-]+\.dll)$/i,
};
const OLDEST_MACOS = '11.0';

/**
 * @param {string} file
 * @param {import('./targets.mjs').Target} target
 * @throws {SetupError} that lists everything that is wrong
 */
export function checkAddon(file, { name, format }) {
  const bytes = readFileSync(file);
  const facts = format === 'elf' ? elf(file) : format === 'pe' ? pe(file) : machO(bytes);
  const foreign = facts.needed.filter((library) => !systemLibraries[format].test(library));
  const harmless = format === 'mach-o' ? [...exportable, ...MACHO_HEADER] : exportable;
  const others = facts.exported.filter((symbol) => !harmless.includes(symbol));
  const newer = facts.glibc?.filter((version) => compareVersions(version, OLDEST_GLIBC) > 0) ?? [];
  const problems = [
    bytes.length > LARGEST && `has ${bytes.length} bytes, more than ${LARGEST}`,
    foreign.length > 0 && `needs ${foreign.join(', ')}`,
    others.length > 0 && `exports ${others.join(', ')}`,
    !facts.exported.includes('napi_register_module_v1') && 'does not export napi_register_module_v1',
    newer.length > 0 && `needs glibc ${newer.join(', ')}`,
    format === 'mach-o' &&
      facts.system !== OLDEST_MACOS &&
      `is for macOS ${facts.system}, not ${OLDEST_MACOS}`,
  ].filter(Boolean);
  if (problems.length > 0) throw new SetupError(`${name}'s ${basename(file)} ${problems.join('; it ')}.`);
}

/** @param {string} file @returns {Facts} */
function elf(file) {
  const text = output(['readelf', '--wide', '--dynamic', '--dyn-syms', file]);
  const symbols = [...text.matchAll(/^ *\d+: \w+ +\d+ \w+ +(?:GLOBAL|WEAK) +\w+ +(\w+) (\S+)/gm)];
  return {
    needed: matches(text, /\(NEEDED\).*\[(.*)\]/g),
    exported: symbols.filter(([, section]) => section !== 'UND').map(([, , symbol = '']) => symbol),
    glibc: [...new Set(matches(text, /@GLIBC_([\d.]+)/g))],
  };
}

/** @param {string} file @returns {Facts} */
function pe(file) {
  const text = output(['objdump', '-p', file]);
  return {
    needed: matches(text, /DLL Name: (\S+)/g),
    exported: matches(
      text.split('[Ordinal/Name Pointer] Table')[1]?.split('\n\n')[0] ?? '',
      /\] (?:\+base\[.*\] +\w+ +)?(\w+)$/gm,
    ),
  };
}

/** Apple's mach-o/loader.h and nlist.h. @param {Buffer} bytes @returns {Facts} */
function machO(bytes) {
  const LOAD_DYLIB = 0xc,
    SYMTAB = 0x2,
    BUILD_VERSION = 0x32;
  /** @type {Facts} */
  const facts = { needed: [], exported: [] };
  if (bytes.readUInt32LE(0) !== 0xfeedfacf)
    throw new SetupError('A macOS addon is not a 64-bit Mach-O file.');
  let at = 32;
  for (let left = bytes.readUInt32LE(16); left > 0; left--) {
    const command = bytes.readUInt32LE(at);
    const field = (/** @type {number} */ i) => bytes.readUInt32LE(at + 4 * i);
    if (command === LOAD_DYLIB) facts.needed.push(textAt(bytes, at + field(2)));
    if (command === BUILD_VERSION) facts.system = `${field(3) >> 16}.${(field(3) >> 8) & 255}`;
    if (command === SYMTAB) {
      for (let i = 0; i < field(3); i++) {
        const symbol = field(2) + 16 * i;
        const type = bytes[symbol + 4] ?? 0;
        const isExported = (type & 1) !== 0 && (type & 0x10) === 0 && (type & 0xe) !== 0;
        if (isExported) facts.exported.push(textAt(bytes, field(4) + bytes.readUInt32LE(symbol)).slice(1));
      }
    }
    at += field(1);
  }
  return facts;
}

/** @param {Buffer} bytes @param {number} at */
function textAt(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at));
}

/** @param {string} text @param {RegExp} pattern */
function matches(text, pattern) {
  return [...text.matchAll(pattern)].map(([, found = '']) => found);
}

/** @param {string[]} command */
function output(command) {
  const { status, stdout, stderr } = probe(command);
  if (status !== 0) throw new SetupError(`${command.join(' ')} failed: ${stderr.trim()}`);
  return stdout;
}

/** @param {string} a @param {string} b */
function compareVersions(a, b) {
  const [x, y] = [a, b].map((version) => version.split('.').map(Number));
  return (x?.[0] ?? 0) - (y?.[0] ?? 0) || (x?.[1] ?? 0) - (y?.[1] ?? 0);
}
