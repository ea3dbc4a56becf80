/** What was found to be the fastest on a device, and the time that may be spent on finding out. */

/** First line of stored choices. Increase the number when kernels change so that old choices would mislead. */
export const TILE_FORMAT = 'verydeep gpu tiles 1';

/** Choices for a device, one line for each convolution: its key, a space, the choice's name. */
export interface TileMemory {
  /** The choice's name. */
  get(key: string): string | undefined;
  add(lines: readonly string[]): void;
}

/** A memory that ends with its device, unless `keep` stores its lines. */
export class TileLines implements TileMemory {
  readonly #names: Map<string, string>;
  readonly #keep: (lines: readonly string[]) => void;

  /** @param keep called with all lines whenever there are new ones */
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

/** Per process, so that measuring does not hold up a dense evaluation, whose images have hundreds of sizes. */
const SECONDS = 3;

/** The memory and time limit of a device's measurements. */
export class Tuning {
  readonly memory: TileMemory;
  /** What may still be spent on trials. */
  secondsLeft: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(memory: TileMemory, seconds: number = SECONDS) {
    this.memory = memory;
    this.secondsLeft = seconds;
  }

  /** Runs one piece of work after another, as parallel work would spoil a trial. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
