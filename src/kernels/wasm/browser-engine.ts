/** Opens the WebAssembly backend in a page. */
import { UserError } from '../../core/errors.ts';
import { checkThreads } from '../native/native-backend.ts';
import { bestVariant, fromBase64, unshared, type Variant } from './module.ts';
import type { Reply } from './protocol.ts';
import { WasmBackend } from './wasm-backend.ts';
import { webAssembly } from './web-assembly.ts';
import type { WorkerPort } from './worker-addon.ts';

export interface BrowserWasmOptions {
  /** Default: one for each core of the visitor's processor, at most 16; one where the page is not cross-origin isolated. */
  readonly threads?: number;
  /** Default: `relaxed` where the browser supports it. */
  readonly variant?: Variant;
}

/** The parts of a page that are used here; importing the DOM's types would make them visible in all of src/. */
interface PageWorker {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
  terminate(): void;
  addEventListener(type: 'message', listen: (event: { readonly data: Reply }) => void): void;
  addEventListener(type: 'error', listen: (event: { readonly message?: string }) => void): void;
}
declare const Worker: new (address: URL | string, options: { type: 'module' }) => PageWorker;
interface Page {
  readonly crossOriginIsolated?: boolean;
  readonly navigator?: { readonly hardwareConcurrency?: number };
  readonly Worker?: unknown;
}

/** More cores than this are mostly slow ones, or half ones. */
const MOST_THREADS = 16;

/**
 * @throws UsageError unless the number of threads is allowed.
 * @throws UserError when the browser cannot run the kernels, or the page may not use several threads.
 */
export async function openBrowserWasm(options: BrowserWasmOptions = {}): Promise<WasmBackend> {
  const { crossOriginIsolated = false, navigator } = globalThis as unknown as Page;
  const usual = crossOriginIsolated ? Math.min(MOST_THREADS, navigator?.hardwareConcurrency ?? 1) : 1;
  const { threads = usual } = options;
  checkThreads(threads);
  if (threads > 1 && !crossOriginIsolated) {
    throw new UserError(
      'several threads need a cross-origin isolated page: serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or use one thread',
    );
  }
  if (!webAssembly || !(globalThis as unknown as Page).Worker || !globalThis.DecompressionStream) {
    throw new UserError('this browser has no WebAssembly, workers or DecompressionStream: use a current one');
  }
  const variant = options.variant ?? bestVariant();
  const bytes = await moduleBytes(variant);
  let backend: WasmBackend | undefined;
  try {
    const module = await webAssembly.compile(crossOriginIsolated ? bytes : unshared(bytes));
    const port = portOf(startWorker());
    backend = new WasmBackend(port, { module, threads, shared: crossOriginIsolated }, variant);
  } catch (error) {
    const { message } = error as Error;
    throw new UserError(
      `the WebAssembly kernels do not start (${message}): use a current browser, and a page whose Content-Security-Policy allows 'wasm-unsafe-eval' and workers`,
      { cause: error },
    );
  }
  await backend.started;
  return backend;
}

async function moduleBytes(variant: Variant): Promise<Uint8Array<ArrayBuffer>> {
  const { compressed } =
    variant === 'relaxed' ? await import('./binary/relaxed.ts') : await import('./binary/simd.ts');
  const stream = new Blob([fromBase64(compressed)]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const WORKER = './browser-worker.js';

function startWorker(): PageWorker {
  try {
    // Bundlers know this form of address.
    return new Worker(new URL('./browser-worker.js', import.meta.url), { type: 'module' });
  } catch {
    // A worker's script must be of the page's origin, but may import that of another.
    const script = `import ${JSON.stringify(new URL(WORKER, import.meta.url).href)};`;
    const address = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    return new Worker(address, { type: 'module' });
  }
}

function portOf(worker: PageWorker): WorkerPort {
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    listen: (onReply, onEnd) => {
      worker.addEventListener('message', ({ data }) => onReply(data));
      worker.addEventListener('error', ({ message }) =>
        onEnd(new Error(message ?? 'the worker cannot be loaded')),
      );
    },
    hold: () => {},
    end: () => worker.terminate(),
  };
}
