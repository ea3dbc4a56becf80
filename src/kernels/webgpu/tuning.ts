/** What a device has been found to be fastest with, and how long may be spent on finding out. */

/** What is remembered of a device, a line a convolution: its key, a blank, its choice. */
export interface TileMemory {
  /** The choice's name. */
  get(key: string): string | undefined;
  add(lines: readonly string[]): void;
}

/** A memory that ends with its device, unless somebody keeps its lines. */
export class TileLines implements TileMemory {
  readonly #names: Map<string, string>;
  readonly #keep: (lines: readonly string[]) => void;

  /** @param keep is called with all lines when there are new ones */
  constructor(lines: readonly string[] = [], keep: (lines: readonly string[]) => void = () => {}) {
    this.#names = new Map(lines.map(halves));
    this.#keep = keep;
  }

  get(key: string): string | undefined {
    return this.#names.get(key);
  }

  add(lines: readonly string[]): void {
    for (const [key, name] of lines.map(halves)) this.#names.set(key, name);
    this.#keep([...this.#names].map(([key, name]) => `${key} ${name}`));
  }
}

function halves(line: string): [string, string] {
  const [key = '', name = ''] = line.split(' ');
  return [key, name];
}

/** Of a process, so that a dense evaluation, whose images have hundreds of sizes, is not held up by them all. */
const SECONDS = 3;

export class Tuning {
  readonly memory: TileMemory;
  /** What may still be spent on trials. */
  secondsLeft: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(memory: TileMemory, seconds: number = SECONDS) {
    this.memory = memory;
    this.secondsLeft = seconds;
  }

  /** One after another: what runs beside a trial would spoil it. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
