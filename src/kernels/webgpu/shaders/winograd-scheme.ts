/**
 * Winograd's method F(m×m, 3×3) in one dimension: y = A [(G w) ⊙ (B x)], with m + 2 values x, three weights w, and m
 * results y (docs/explanation/kernels.md explains it). B and G evaluate polynomials at m + 2 points, the last of which
 * is ∞; A interpolates. The weights' gradient is ∂w = Gᵀ [(Aᵀ ∂y) ⊙ (B x)]. The functions here return WGSL that
 * computes terms common to points p and −p only once.
 */

import { unroll } from './wgsl.ts';

/** Results of a tile in each dimension. */
export type TileSize = 2 | 4;

export interface Scheme {
  readonly size: TileSize;
  /** m + 2: values of a tile, and points. */
  readonly extent: number;
  /** The p of each pair of points ±p; the other points are 0 and ∞. */
  readonly pairs: readonly number[];
}

/** With points ±1/√2 and ±√2, powers stay near 1, and the error is a third of that with ±1 and ±2. */
export function schemeOf(size: TileSize): Scheme {
  return { size, extent: size + 2, pairs: size === 2 ? [1] : [Math.SQRT1_2, Math.SQRT2] };
}

/** Coefficients of Π (x² − q²) over the pairs q, lowest power first. */
function evenProduct(pairs: readonly number[]): number[] {
  let polynomial = [1];
  for (const q of pairs) {
    polynomial = [0, 0, ...polynomial].map((value, power) => tidy(value - q * q * (polynomial[power] ?? 0)));
  }
  return polynomial;
}

/** Rounds 1.0000000000000002 to 1. */
function tidy(value: number): number {
  return Number(value.toFixed(12));
}

/** Writes a transform in one dimension: WGSL that declares `out(…)`, computed from `value(…)`. */
export type Transform = (
  scheme: Scheme,
  value: (index: number) => string,
  out: (index: number) => string,
) => string;

/** B x: m + 2 points of m + 2 values. */
export const evaluateInput: Transform = ({ extent, pairs }, x, out) => {
  const all = evenProduct(pairs);
  // At ±p: x (x ± p) · Π over the other pairs, which is the even powers and ±p times the odd ones.
  const atPair = (p: number): [string, string] => {
    const others = evenProduct(pairs.filter((q) => q !== p));
    const odd = [0, ...others].map((value) => value * p);
    return [sum([0, 0, ...others], x), sum(odd, x)];
  };
  return evaluate({ extent, pairs }, out, sum(all, x), atPair, sum([0, ...all], x));
};

/** G w: m + 2 points of three weights. */
export const evaluateWeights: Transform = ({ extent, pairs }, w, out) => {
  const atPair = (p: number): [string, string] => {
    const divisor = divisorAt(p, pairs);
    return [sum([1 / divisor, 0, (p * p) / divisor], w), sum([0, p / divisor], w)];
  };
  return evaluate({ extent, pairs }, out, sum([1 / divisorAtZero(pairs)], w), atPair, w(2));
};

/** Aᵀ ∂y: m + 2 points of m values. */
export const spreadGradient: Transform = ({ size, extent, pairs }, dy, out) => {
  const powers = Array.from({ length: size }, (_, power) => power);
  const atPair = (p: number) => {
    const half = (odd: number) => powers.map((power) => (power % 2 === odd ? p ** power : 0));
    return [sum(half(0), dy), sum(half(1), dy)] as const;
  };
  return evaluate({ extent, pairs }, out, dy(0), atPair, dy(size - 1));
};

/** Declares the values at 0, at each pair, whose terms are even and odd, and at ∞. */
function evaluate(
  { extent, pairs }: Pick<Scheme, 'extent' | 'pairs'>,
  out: (point: number) => string,
  atZero: string,
  atPair: (p: number) => readonly [even: string, odd: string],
  atInfinity: string,
): string {
  const lines = pairs.flatMap((p, index) => {
    const [plus, minus] = [out(1 + 2 * index), out(2 + 2 * index)];
    const [even, odd] = atPair(p);
    return [
      `let ${plus}even = ${even};`,
      `let ${plus}odd = ${odd};`,
      `let ${plus} = ${plus}even + ${plus}odd;`,
      `let ${minus} = ${plus}even - ${plus}odd;`,
    ];
  });
  return [`let ${out(0)} = ${atZero};`, ...lines, `let ${out(extent - 1)} = ${atInfinity};`].join('\n');
}

/** Gᵀ m: the gradients of three weights, from the products at m + 2 points. */
export const gatherWeights: Transform = ({ extent, pairs }, m, out) => {
  const lines = sumsOfPairs(pairs, m);
  const atZero = sum([1 / divisorAtZero(pairs)], m);
  const ends = [` + ${atZero}`, '', ` + ${m(extent - 1)}`];
  ends.forEach((end, power) => {
    const shares = pairs.map((p) => p ** power / divisorAt(p, pairs));
    const terms = sum(shares, (index) => `${m(1 + 2 * index)}${power % 2 === 0 ? 's' : 'd'}`);
    lines.push(`let ${out(power)} = ${terms}${end};`);
  });
  return lines.join('\n');
};

/** A m: m results, from the products at m + 2 points. */
export const interpolate: Transform = ({ size, extent, pairs }, m, out) => {
  const lines = sumsOfPairs(pairs, m);
  for (let power = 0; power < size; power++) {
    const powers = pairs.map((p) => p ** power);
    const terms = sum(powers, (index) => `${m(1 + 2 * index)}${power % 2 === 0 ? 's' : 'd'}`);
    const ends = [...(power === 0 ? [m(0)] : []), ...(power === size - 1 ? [m(extent - 1)] : [])];
    lines.push(`let ${out(power)} = ${[terms, ...ends].join(' + ')};`);
  }
  return lines.join('\n');
};

/** The product of the differences between point 0 and all others, by which G divides. */
function divisorAtZero(pairs: readonly number[]): number {
  return pairs.reduce((product, q) => product * -q * q, 1);
}

/** The same for point ±p. */
function divisorAt(p: number, pairs: readonly number[]): number {
  return pairs.filter((q) => q !== p).reduce((product, q) => product * (p * p - q * q), 2 * p * p);
}

/** Declares the sum (with suffix s) and the difference (with suffix d) of the values at each pair. */
function sumsOfPairs(pairs: readonly number[], m: (point: number) => string): string[] {
  return pairs.flatMap((_, index) => {
    const [plus, minus] = [m(1 + 2 * index), m(2 + 2 * index)];
    return [`let ${plus}s = ${plus} + ${minus};`, `let ${plus}d = ${plus} - ${minus};`];
  });
}

/** Σ coefficient · value, without zero coefficients. */
function sum(coefficients: readonly number[], value: (index: number) => string): string {
  return coefficients
    .map(tidy)
    .flatMap((coefficient, index) => {
      if (coefficient === 0) return [];
      return [coefficient === 1 ? value(index) : `${literal(coefficient)} * ${value(index)}`];
    })
    .join(' + ');
}

function literal(value: number): string {
  const text = String(Math.fround(value));
  return `${text.includes('.') || text.includes('e') ? text : `${text}.0`}f`;
}

/** Prefixes of variables: values as read, transformed along columns, and transformed along both. */
type Names = readonly [from: string, between: string, to: string];

/**
 * Transforms the columns of a tile of `extent` × `extent` values.
 * @param read the expression for the value in a row and column
 */
export function alongColumns(
  transform: Transform,
  scheme: Scheme,
  extent: number,
  [from, between]: Names | readonly [string, string],
  read: (row: number, column: number) => string,
): string {
  return unroll(extent, (c) => {
    const values = unroll(extent, (r) => `  let ${from}${r}_${c} = ${read(r, c)};`);
    const [value, out] = [(r: number) => `${from}${r}_${c}`, (r: number) => `${between}${r}_${c}`];
    return `${values}\n${transform(scheme, value, out)}`;
  });
}

/**
 * Transforms a tile in both dimensions.
 * @param extents of the tile before and after
 * @param store the statement for a transformed value and its row and column
 */
export function inBothDimensions(
  transform: Transform,
  scheme: Scheme,
  [before, after]: readonly [before: number, after: number],
  names: Names,
  read: (row: number, column: number) => string,
  store: (row: number, column: number, value: string) => string,
): string {
  const [, between, to] = names;
  const rows = unroll(after, (r) => {
    const [value, out] = [(c: number) => `${between}${r}_${c}`, (c: number) => `${to}${r}_${c}`];
    return `${transform(scheme, value, out)}\n${unroll(after, (c) => `  ${store(r, c, out(c))}`)}`;
  });
  return `${alongColumns(transform, scheme, before, names, read)}\n${rows}`;
}
