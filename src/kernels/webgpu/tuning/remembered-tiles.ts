/** Remembers the fastest kernels of a device, and limits the time for finding them. */

/** First line of stored choices. Increase the number when kernels change so much that old choices would mislead. */
export const TILE_FORMAT = 'verydeep gpu tiles 1';

/** Choices for a device, one line for each convolution: its key, a space, and the choice's name. */
export interface TileMemory {
  /** Returns the choice's name. */
  get(key: string): string | undefined;
  add(lines: readonly string[]): void;
}

/** Remembers choices for as long as the device exists, unless `keep` stores the lines. */
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

/** Time limit per device, so that measuring does not delay a dense evaluation, whose images have hundreds of sizes. */
const SECONDS = 3;

/** The memory and time limit of a device's measurements. */
export class Tuning {
  readonly memory: TileMemory;
  /** Time left for trials. */
  secondsLeft: number;
  #last: Promise<unknown> = Promise.resolve();

  constructor(memory: TileMemory, seconds: number = SECONDS) {
    this.memory = memory;
    this.secondsLeft = seconds;
  }

  /** Runs one piece of work at a time, as parallel work would distort a trial. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
