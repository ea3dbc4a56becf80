/** Prints the best of each method as a Markdown table, one row for each shape and direction. */
import type { Choice, Direction } from '../../src/kernels/webgpu/tuning/candidates.ts';
import type { Size } from './naive.ts';

const METHODS = ['direct', 'in parts', 'F(2×2)', 'F(4×4)'] as const;
type Method = (typeof METHODS)[number];

export interface Row {
  readonly size: Size;
  readonly direction: Direction;
  /** In seconds. */
  readonly naive: number;
  readonly best: Best;
}

export class Best {
  readonly #seconds = new Map<Method, number>();

  add(method: Method, seconds: number): void {
    this.#seconds.set(method, Math.min(seconds, this.of(method) ?? Infinity));
  }

  of(method: Method): number | undefined {
    return this.#seconds.get(method);
  }

  get least(): number {
    return Math.min(...this.#seconds.values());
  }
}

export function methodOf(choice: Choice): Method {
  if (choice.method === 'winograd') return choice.size === 2 ? 'F(2×2)' : 'F(4×4)';
  return (choice.splits ?? 1) > 1 ? 'in parts' : 'direct';
}

export function shapeName({ inChannels, outChannels, side, kernel, padding }: Size): string {
  return [inChannels, outChannels, side, ...(padding === 0 ? [kernel] : [])].join('x');
}

const DIRECTIONS: Record<Direction, string> = {
  forward: 'forward',
  backward: "input's gradient",
  weights: "weights' gradient",
};

export function printTable(rows: readonly Row[]): void {
  const heads = ['shape', 'direction', 'naive, ms', ...METHODS, 'naive / direct', 'direct / best'];
  console.log(`| ${heads.join(' | ')} |`);
  console.log(`|---|---|${'---:|'.repeat(heads.length - 2)}`);
  for (const { size, direction, naive, best } of rows) {
    const direct = best.of('direct') ?? Number.NaN;
    const cells = [
      shapeName(size),
      DIRECTIONS[direction],
      milliseconds(naive),
      ...METHODS.map((method) => milliseconds(best.of(method))),
      (naive / direct).toFixed(1),
      (direct / best.least).toFixed(2),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

function milliseconds(seconds: number | undefined): string {
  return seconds === undefined ? '–' : (1000 * seconds).toPrecision(3);
}
