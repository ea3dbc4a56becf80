/** One network's compiled programs, at whatever sizes it is asked to run. */
import type { Layer } from '../core/layer.ts';
import { formatShape, type Shape4 } from '../core/shape.ts';
import type { Backend, Parameters, Program } from '../kernels/backend.ts';
import { largestLayerBytes } from '../plan/activation-memory.ts';

export interface ProgramCacheOptions {
  readonly backend: Backend;
  readonly layers: readonly Layer[];
  readonly parameters: Parameters;
  /** What the programs that are kept may take together. One program may be larger: it runs alone. */
  readonly memoryBytes: number;
}

interface Entry {
  readonly program: Promise<Program>;
  /** As the program says; 0 while it is being compiled. */
  bytes: number;
  /** Runs under way. */
  users: number;
}

/** Programs compiled once a shape, the least recently used of which go when the memory is used up. */
export class ProgramCache {
  readonly #options: ProgramCacheOptions;
  /** By shape, the least recently used first. */
  readonly #entries = new Map<string, Entry>();
  #disposed = false;

  constructor(options: ProgramCacheOptions) {
    this.#options = options;
  }

  /** Of the programs that are kept. */
  get memoryBytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.values()) sum += bytes;
    return sum;
  }

  /** Shapes of the programs that are kept, the least recently used first. */
  get shapes(): string[] {
    return [...this.#entries.keys()];
  }

  /**
   * Runs the network.
   * @param input `[N, C, H, W]`
   * @returns `[N, C', H', W']`
   * @throws UserError when the memory does not suffice.
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

  /** Frees every program, those that run as soon as they have ended. */
  dispose(): void {
    this.#disposed = true;
    for (const [key, entry] of this.#entries) if (entry.users === 0) this.#drop(key, entry);
  }

  #entryFor(shape: Shape4): Entry {
    if (this.#disposed) throw new Error('run: these programs have been disposed of');
    const key = formatShape(shape);
    const known = this.#entries.get(key);
    if (known) {
      // Back to the end of the line.
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
      // Whoever waits for the program hears of it; the next one may have more luck.
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
