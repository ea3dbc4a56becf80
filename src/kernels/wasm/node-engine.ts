/** Opens the WebAssembly backend in Node. */
import { Worker } from 'node:worker_threads';
import { availableCores } from '../../core/available-cores.ts';
import { checkThreads, type NativeBackend } from '../native/native-backend.ts';
import { openEngine, type Variant } from './open-engine.ts';

export interface WasmOptions {
  /** Default: one for each core that this process may use. */
  readonly threads?: number;
  /** Default: `relaxed` where Node supports it. */
  readonly variant?: Variant;
}

/**
 * @throws UsageError unless the number of threads is allowed.
 * @throws UserError when the kernels do not start.
 */
export async function openWasmBackend({
  threads = availableCores(),
  variant,
}: WasmOptions = {}): Promise<NativeBackend> {
  checkThreads(threads);
  const worker = new Worker(new URL('./node-worker.js', import.meta.url));
  worker.unref();
  return await openEngine(
    {
      post: (message) => worker.postMessage(message),
      listen: (onReply, onEnd) => {
        worker.on('message', onReply);
        worker.on('error', onEnd);
      },
      hold: (busy) => (busy ? worker.ref() : worker.unref()),
      end: () => void worker.terminate(),
    },
    threads,
    variant,
  );
}
