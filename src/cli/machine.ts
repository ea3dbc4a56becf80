/** Facts about this machine that Node does not give directly. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { arch, cpus, freemem, platform, totalmem } from 'node:os';
import { dirname } from 'node:path';

/** Instruction sets that the kernels use or may use, by their Linux names. */
const instructionSets: Readonly<Record<string, string>> = {
  avx2: 'AVX2',
  fma: 'FMA',
  avx512f: 'AVX-512',
  avx512_bf16: 'AVX-512 BF16',
  amx_tile: 'AMX',
  asimd: 'NEON',
  sve: 'SVE',
  bf16: 'BF16',
};

/** Vector instructions of the processor; undefined if the system does not report them. */
export function vectorInstructions(): readonly string[] | undefined {
  try {
    if (platform() === 'linux') return instructionsIn(readFileSync('/proc/cpuinfo', 'utf8'));
    if (platform() === 'darwin') return arch() === 'arm64' ? ['NEON'] : instructionsOfIntelMac();
  } catch {
    // A container may hide /proc.
  }
  return undefined;
}

/** Reads the text of /proc/cpuinfo: `flags` on x86, `Features` on ARM. */
export function instructionsIn(cpuinfo: string): readonly string[] | undefined {
  const line = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1];
  if (line === undefined) return undefined;
  const flags = new Set(line.trim().split(/\s+/));
  return Object.keys(instructionSets)
    .filter((flag) => flags.has(flag))
    .map((flag) => instructionSets[flag]!);
}

function instructionsOfIntelMac(): readonly string[] {
  const features = execFileSync('sysctl', ['-n', 'machdep.cpu.features', 'machdep.cpu.leaf7_features']);
  const flags = features.toString().toLowerCase();
  return ['avx2', 'fma', 'avx512f']
    .filter((flag) => flags.includes(flag))
    .map((flag) => instructionSets[flag]!);
}

export function processorName(): string {
  const model = cpus()[0]?.model.trim();
  return model && model !== 'unknown' ? model : arch();
}

/** Memory in bytes that this process may use (a container may allow less than the machine has), and that is free. */
export function memory(): { readonly total: number; readonly free: number } {
  // Without a limit this is 0 or larger than any memory.
  const limit = process.constrainedMemory();
  const total = limit > 0 ? Math.min(totalmem(), limit) : totalmem();
  return { total, free: Math.min(freemem(), total) };
}

/** Whether files can be created under this path, which need not exist yet. */
export function canWriteUnder(path: string): boolean {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether a version is in an npm range; supports what package.json uses: `^a.b.c` and `>=a.b.c`, joined by `||`. */
export function allowsVersion(range: string, version: string): boolean {
  const actual = numbersOf(version);
  return range.split('||').some((part) => {
    const least = numbersOf(part);
    return isAtLeast(actual, least) && (!part.trim().startsWith('^') || actual[0] === least[0]);
  });
}

function numbersOf(version: string): number[] {
  return (version.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

function isAtLeast(actual: readonly number[], least: readonly number[]): boolean {
  const at = least.findIndex((number, index) => number !== actual[index]);
  return at < 0 || (actual[at] ?? 0) > least[at]!;
}
