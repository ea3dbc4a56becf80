/** The kernels' modules: which one this machine can run, and its bytes. */
import { webAssembly } from './web-assembly.ts';

/** (module (func (param v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 0) (local.get 0))))) */
const RELAXED_SIMD_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0],
  ...[10, 14, 1, 12, 0, 32, 0, 32, 0, 32, 0, 253, 133, 2, 26, 11],
);

export type Variant = 'simd' | 'relaxed';

/** Relaxed SIMD multiplies and adds in one instruction where the processor can. */
export function bestVariant(): Variant {
  return webAssembly.validate(RELAXED_SIMD_PROBE) ? 'relaxed' : 'simd';
}

/** The instructions of each variant, for people. */
export const INSTRUCTIONS: Readonly<Record<Variant, string>> = { simd: 'SIMD', relaxed: 'relaxed SIMD' };

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The end of the import of `env.memory`, before the flags of its limits. */
const MEMORY_IMPORT = [...[3, 'env', 6, 'memory'].flatMap(bytesOf), 2];
const SHARED = 3;
const NOT_SHARED = 1;

/**
 * The same module for memory that is not shared, which pages without cross-origin isolation need. WebAssembly defines
 * its atomic instructions there, too, and a single thread never waits.
 */
export function unshared(module: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const flags = MEMORY_IMPORT.length + indexOf(module, MEMORY_IMPORT);
  const copy = module.slice();
  if (copy[flags] !== SHARED) throw new Error('the module does not import shared memory');
  copy[flags] = NOT_SHARED;
  return copy;
}

function bytesOf(part: number | string): number[] {
  return typeof part === 'number' ? [part] : Array.from(part, (letter) => letter.charCodeAt(0));
}

function indexOf(bytes: Uint8Array, pattern: readonly number[]): number {
  return bytes.findIndex((_, at) => pattern.every((byte, i) => bytes[at + i] === byte));
}
