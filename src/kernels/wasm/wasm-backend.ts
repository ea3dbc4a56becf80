/** The backend over the C++ kernels as WebAssembly, in a worker of Node's or of a browser's. */
import type { UserError } from '../../core/errors.ts';
import { NativeBackend } from '../native/native-backend.ts';
import { INSTRUCTIONS, type Variant } from './module.ts';
import type { EngineStart } from './protocol.ts';
import { WorkerAddon, type WorkerPort } from './worker-addon.ts';

export class WasmBackend extends NativeBackend {
  override readonly started: Promise<void>;
  /** Resolves when the engine ends before `close` is called. */
  readonly lost: Promise<UserError>;
  readonly #addon: WorkerAddon;

  constructor(port: WorkerPort, start: Omit<EngineStart, 'tune'>, variant: Variant) {
    const addon = new WorkerAddon(port, { ...start, tune: true }, INSTRUCTIONS[variant]);
    super(addon, { name: 'wasm', threads: start.threads, precision: 'fp32', schedules: undefined });
    this.started = addon.started;
    this.lost = addon.lost;
    this.#addon = addon;
  }

  /** Ends the worker and frees its memory. Later calls fail. */
  close(): void {
    this.#addon.end();
  }
}
