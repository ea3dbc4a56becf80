/** The C++ kernels as this machine has them: an addon, or WebAssembly where none loads. */
import { messageOf, UsageError, UserError } from '../core/errors.ts';
import { ADDON_REMEDY, type AddonAttempt, formatAttempts } from '../core/platform-addon.ts';
import { findKernels } from './native/load-addon.ts';
import type { NativeBackend } from './native/native-backend.ts';
import { createNativeBackend, type NativeOptions } from './native/open-native.ts';
import { createWasmBackend } from './wasm/node-engine.ts';

export interface OpenKernels {
  readonly backend: NativeBackend;
  /** The places that were tried; the last one was taken. */
  readonly tried: readonly AddonAttempt[];
}

/**
 * Opens the addon of the project's own build, else that of the platform's package, else WebAssembly.
 * @throws UsageError unless the number of threads is allowed.
 * @throws UserError that lists what was tried and the remedy, when nothing loads, or lacks the precision.
 */
export function openKernels(options: NativeOptions = {}, found = findKernels()): OpenKernels {
  const { addon, tried } = found;
  if (addon) return { backend: createNativeBackend(options, addon), tried };
  if (options.precision === 'bf16') {
    throw new UserError(
      `precision bf16 needs the native kernels, and none load (tried ${formatAttempts(tried)}): ${ADDON_REMEDY}, or use fp32`,
    );
  }
  try {
    return { backend: createWasmBackend(options), tried: [...tried, { source: 'WebAssembly' }] };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const all = [...tried, { source: 'WebAssembly', problem: messageOf(error) }];
    throw new UserError(`no kernels load (tried ${formatAttempts(all)}): ${ADDON_REMEDY}`, { cause: error });
  }
}

let noted = false;

/** Says once, on stderr, that WebAssembly computes in place of the addon. */
export function noteFallback({ backend, tried }: OpenKernels): void {
  if (backend.name !== 'wasm' || noted) return;
  noted = true;
  console.warn(
    `No native kernels load (tried ${formatAttempts(tried.slice(0, -1))}), so WebAssembly computes, which is slower: ${ADDON_REMEDY}.`,
  );
}
