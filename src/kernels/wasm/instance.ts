/** The kernels' module over its memory, and its imports. */
import type { ThreadStart } from './protocol.ts';
import { type WasmExports, type WasmMemory, type WasmModule, webAssembly } from './web-assembly.ts';

/** An error that the kernels report. */
export class KernelError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

const PAGE = 65536;
/** Largest sizes to try, in pages: up to 4 GiB, as far as the system reserves so many addresses. */
const MOST_PAGES = [65535, 32768, 16384];

/** @throws KernelError when not even addresses for 1 GiB are free. */
export function allocateMemory(shared: boolean): WasmMemory {
  for (const maximum of MOST_PAGES) {
    try {
      return new webAssembly.Memory({ initial: (32 << 20) / PAGE, maximum, shared });
    } catch {
      // The next one is smaller.
    }
  }
  throw new KernelError('out of memory: no addresses for 1 GiB are free', 'ERR_OUT_OF_MEMORY');
}

export function textAt(memory: WasmMemory, address: number): string {
  const bytes = new Uint8Array(memory.buffer);
  // Decoders refuse shared memory: `slice` copies.
  return new TextDecoder().decode(new Uint8Array(bytes.slice(address, bytes.indexOf(0, address))));
}

/** @param ready called with the number of a tensor whose gradients are final, as those of all later ones are */
export async function instantiate(
  module: WasmModule,
  memory: WasmMemory,
  ready: (tensor: number) => void = () => {},
): Promise<WasmExports> {
  const fail = (outOfMemory: number, message: number) => {
    throw new KernelError(textAt(memory, message), outOfMemory ? 'ERR_OUT_OF_MEMORY' : undefined);
  };
  const clock = (_clock: number, _precision: bigint, to: number) => {
    new DataView(memory.buffer).setBigUint64(to, BigInt(Math.round(performance.now() * 1e6)), true);
    return 0;
  };
  // The C library asks for files and the environment; there are none.
  const system = new Proxy<Record<string, unknown>>(
    { clock_time_get: clock },
    { get: (functions, name) => functions[String(name)] ?? (() => 52) },
  );
  const instance = await webAssembly.instantiate(module, {
    env: { memory },
    verydeep: { fail, ready },
    wasi_snapshot_preview1: system,
  });
  return instance.exports;
}

/** Computes for the engine; never returns. @param onReady called when the thread can work */
export async function workAsThread(start: ThreadStart, onReady: () => void): Promise<void> {
  const exports = await instantiate(start.module, start.memory);
  exports.__stack_pointer.value = start.stack;
  onReady();
  exports.work!(start.thread);
}
