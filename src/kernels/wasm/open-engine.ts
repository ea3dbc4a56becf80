/** Chooses and decompresses the kernels' module, and creates the backend over its engine. */
import { UserError } from '../../core/errors.ts';
import { NativeBackend } from '../native/native-backend.ts';
import { type WasmModule, webAssembly } from './web-assembly.ts';
import { WorkerAddon, type WorkerPort } from './worker-addon.ts';

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

async function compileModule(variant: Variant): Promise<WasmModule> {
  const { compressed } =
    variant === 'relaxed' ? await import('./binary/relaxed.ts') : await import('./binary/simd.ts');
  const bytes = Uint8Array.from(atob(compressed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return await webAssembly.compile(await new Response(stream).arrayBuffer());
}

/** @throws UserError when this machine's WebAssembly lacks SIMD or shared memory. */
export async function openEngine(
  port: WorkerPort,
  threads: number,
  variant: Variant = bestVariant(),
): Promise<NativeBackend> {
  let addon: WorkerAddon;
  try {
    addon = await WorkerAddon.start(port, await compileModule(variant), threads, true);
  } catch (error) {
    port.end();
    throw new UserError(
      `the WebAssembly kernels do not start (${error instanceof Error ? error.message : error}): update the browser or Node`,
      { cause: error },
    );
  }
  return new NativeBackend(addon, { name: 'wasm', threads, precision: 'fp32', schedules: undefined });
}
