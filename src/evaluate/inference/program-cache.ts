/** The compiled programs of one network, one for each input shape. */
import type { Layer } from '../../core/layer.ts';
import { formatShape, type Shape4 } from '../../core/shape.ts';
import type { Backend, Parameters, Program } from '../../kernels/backend.ts';
import { type Network, parameterCount } from '../../net/network.ts';
import { largestLayerBytes } from '../../plan/activation-memory.ts';

interface ProgramCacheOptions {
  readonly backend: Backend;
  readonly layers: readonly Layer[];
  readonly parameters: Parameters;
  /** Maximum total bytes of the cached programs. A program that is larger alone is the only one in the cache. */
  readonly memoryBytes: number;
}

const MEBIBYTE = 2 ** 20;

/**
 * Bytes of compiled programs to keep for a network: four times its weights, from 256 MiB to 2 GiB. Compiling a small
 * network again takes less time than one image, while its programs for many image sizes would fill the memory.
 */
export function programBytesFor(network: Network): number {
  return Math.min(2048 * MEBIBYTE, Math.max(256 * MEBIBYTE, 16 * parameterCount(network)));
}

interface Entry {
  readonly program: Promise<Program>;
  /** 0 while the program is being compiled. */
  bytes: number;
  /** Number of current runs; a running program is not evicted. */
  users: number;
}

/** Compiles a program once for each shape and evicts the least recently used ones when the memory is used up. */
export class ProgramCache {
  readonly #options: ProgramCacheOptions;
  /** By shape, the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #disposed = false;

  constructor(options: ProgramCacheOptions) {
    this.#options = options;
  }

  /** Bytes of the cached programs. */
  get memoryBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.values()) sum += bytes;
    return sum;
  }

  /** Shapes of the cached programs, the least recently used first. */
  get shapes(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Runs the network.
   * @param input `[N, C, H, W]`
   * @returns `[N, C', H', W']`
   * @throws UserError when memory is insufficient.
   */
  async run(shape: Shape4, input: Float32Array): Promise<Float32Array> {
    const entry = this.#entryFor(shape);
    entry.users++;
    try {
      return await (await entry.program).forward(input);
    } finally {
      entry.users--;
      if (this.#disposed) this.dispose();
      else this.#makeRoomFor(0);
    }
  }

  /** Frees every program; running ones are freed when they finish. */
  dispose(): void {
    this.#disposed = true;
    for (const [key, entry] of this.#entries) if (entry.users === 0) this.#drop(key, entry);
  }

  #entryFor(shape: Shape4): Entry {
    if (this.#disposed) throw new Error('run: the program cache has been disposed');
    const key = formatShape(shape);
    const known = this.#entries.get(key);
    if (known) {
      // Now the most recently used.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    this.#makeRoomFor(largestLayerBytes(this.#options.layers, shape));
    return this.#compile(key, shape);
  }

  #compile(key: string, inputShape: Shape4): Entry {
    const { backend, layers, parameters } = this.#options;
    const program = backend.compile({ layers, inputShape, parameters });
    const entry: Entry = { program, bytes: 0, users: 0 };
    this.#entries.set(key, entry);
    program.then(
      ({ memoryBytes }) => {
        entry.bytes = memoryBytes;
      },
      // Callers that wait for the program get the error; the next run compiles again.
      () => this.#entries.delete(key),
    );
    return entry;
  }

  #makeRoomFor(bytes: number): void {
    let sum = this.memoryBytes + bytes;
    for (const [key, entry] of this.#entries) {
      if (sum <= this.#options.memoryBytes) return;
      if (entry.users > 0) continue;
      this.#drop(key, entry);
      sum -= entry.bytes;
    }
  }

  #drop(key: string, { program }: Entry): void {
    this.#entries.delete(key);
    program.then(
      (compiled) => compiled.dispose(),
      () => {},
    );
  }
}
