/** Creates the WebAssembly backend in Node. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { gunzipSync } from 'node:zlib';
import { availableCores } from '../../core/available-cores.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { checkThreads } from '../native/native-backend.ts';
import { bestVariant, fromBase64, type Variant } from './module.ts';
import { WasmBackend } from './wasm-backend.ts';
import { type WasmModule, webAssembly } from './web-assembly.ts';

export interface WasmOptions {
  /** Default: one for each core that this process may use. */
  readonly threads?: number;
  /** Default: `relaxed` where Node supports it. */
  readonly variant?: Variant;
}

/**
 * Creates the backend at once; its engine starts in a worker.
 * @throws UsageError unless the number of threads is allowed.
 * @throws UserError when Node cannot run the kernels.
 */
export function createWasmBackend({ threads = availableCores(), variant }: WasmOptions = {}): WasmBackend {
  checkThreads(threads);
  if (!webAssembly) throw new UserError('WebAssembly is turned off in this Node: run it without --jitless');
  const chosen = variant ?? bestVariant();
  const module = compileModule(chosen);
  const worker = new Worker(new URL('./node-worker.js', import.meta.url));
  worker.unref();
  return new WasmBackend(
    {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen: (onReply, onEnd) => {
        worker.on('message', onReply);
        worker.on('error', onEnd);
      },
      hold: (busy) => (busy ? worker.ref() : worker.unref()),
      end: () => void worker.terminate(),
    },
    { module, threads, shared: true },
    chosen,
  );
}

/** Like `createWasmBackend`, but waits until the engine has started. @throws UserError when it does not, too. */
export async function openWasmBackend(options: WasmOptions = {}): Promise<WasmBackend> {
  const backend = createWasmBackend(options);
  await backend.started;
  return backend;
}

/** Compiles without waiting, and without loading the variant's file as a module, so that it can be called anywhere. */
function compileModule(variant: Variant): WasmModule {
  const file = fileURLToPath(new URL(`./binary/${variant}.js`, import.meta.url));
  try {
    const [, compressed] = /'([\w+/=]{1000,})'/.exec(readFileSync(file, 'utf8'))!;
    return new webAssembly.Module(gunzipSync(fromBase64(compressed!)));
  } catch (error) {
    throw new UserError(
      `the WebAssembly kernels do not start (${messageOf(error)}): update Node or reinstall verydeep`,
      { cause: error },
    );
  }
}
