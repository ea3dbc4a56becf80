import type { Team } from '../../src/core/process-team.ts';

/** A team within one process, whose members gather by memory; values still go through JSON. */
export function teamOf(size: number): Team[] {
  const rounds: Round[] = [];
  return Array.from({ length: size }, (_, rank): Team => {
    let place = 0;
    const gather = async <T>(value: T): Promise<T[]> => {
      rounds[place] ??= new Round(size);
      const texts = await rounds[place++]!.join(rank, JSON.stringify(value));
      return texts.map((text) => JSON.parse(text) as T);
    };
    return { rank, size, gather };
  });
}

class Round {
  readonly #size: number;
  readonly #texts: string[] = [];
  #joined = 0;
  #complete: (texts: string[]) => void = () => {};
  readonly #all = new Promise<string[]>((resolve) => {
    this.#complete = resolve;
  });

  constructor(size: number) {
    this.#size = size;
  }

  join(rank: number, text: string): Promise<string[]> {
    this.#texts[rank] = text;
    if (++this.#joined === this.#size) this.#complete(this.#texts);
    return this.#all;
  }
}
