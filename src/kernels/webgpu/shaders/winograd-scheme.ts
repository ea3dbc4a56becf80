/**
 * Winograd's method F(m×m, 3×3), in one dimension: y = A [(G w) ⊙ (B x)], with m + 2 values x, three weights, and m
 * results (docs/explanation/kernels.md explains it). B and G evaluate polynomials at m + 2 points, the last of which is
 * ∞; A goes back. The weights' gradient is ∂w = Gᵀ [(Aᵀ ∂y) ⊙ (B x)]. The functions here return text for shaders, which
 * computes the terms common to points p and −p once.
 */

/** Results of a tile in each dimension. */
export type TileSize = 2 | 4;

export interface Scheme {
  readonly size: TileSize;
  /** m + 2: values of a tile, and points. */
  readonly extent: number;
  /** Pairs p, −p besides 0 and ∞. */
  readonly pairs: readonly number[];
}

/** With ±1/√2 and ±√2, powers stay near 1, and the error is a third of that with ±1 and ±2. */
export function schemeOf(size: TileSize): Scheme {
  return { size, extent: size + 2, pairs: size === 2 ? [1] : [Math.SQRT1_2, Math.SQRT2] };
}

/** Coefficients of Π (x² − q²) over pairs q, lowest power first. */
function evenProduct(pairs: readonly number[]): number[] {
  let polynomial = [1];
  for (const q of pairs) {
    polynomial = [0, 0, ...polynomial].map((value, power) => tidy(value - q * q * (polynomial[power] ?? 0)));
  }
  return polynomial;
}

/** 1.0000000000000002 is 1. */
function tidy(value: number): number {
  return Number(value.toFixed(12));
}

/** B x: `out(point)` of `x(0)` … `x(m + 1)`. */
export function evaluateInput(
  { extent, pairs }: Scheme,
  x: (index: number) => string,
  out: (point: number) => string,
): string {
  const all = evenProduct(pairs);
  const lines = [`let ${out(0)} = ${sum(all, x)};`];
  pairs.forEach((p, index) => {
    // x (x ± p) · Π over the other pairs: the even powers, and ±p times the odd ones.
    const others = evenProduct(pairs.filter((q) => q !== p));
    const even = sum([0, 0, ...others], x);
    const odd = sum(
      [0, ...others].map((value) => value * p),
      x,
    );
    lines.push(...pair(out(1 + 2 * index), out(2 + 2 * index), even, odd));
  });
  lines.push(`let ${out(extent - 1)} = ${sum([0, ...all], x)};`);
  return lines.join('\n');
}

/** G w, of three weights. */
export function evaluateWeights(
  { extent, pairs }: Scheme,
  w: (index: number) => string,
  out: (point: number) => string,
): string {
  const lines = [`let ${out(0)} = ${sum([1 / divisorAtZero(pairs)], w)};`];
  pairs.forEach((p, index) => {
    const divisor = divisorAt(p, pairs);
    const even = sum([1 / divisor, 0, (p * p) / divisor], w);
    const odd = sum([0, p / divisor], w);
    lines.push(...pair(out(1 + 2 * index), out(2 + 2 * index), even, odd));
  });
  lines.push(`let ${out(extent - 1)} = ${w(2)};`);
  return lines.join('\n');
}

/** Aᵀ ∂y: `out(point)` of m values. */
export function spreadGradient(
  { size, extent, pairs }: Scheme,
  dy: (index: number) => string,
  out: (point: number) => string,
): string {
  const powers = Array.from({ length: size }, (_, power) => power);
  const lines = [`let ${out(0)} = ${dy(0)};`];
  pairs.forEach((p, index) => {
    const half = (odd: number) =>
      sum(
        powers.map((power) => (power % 2 === odd ? p ** power : 0)),
        dy,
      );
    lines.push(...pair(out(1 + 2 * index), out(2 + 2 * index), half(0), half(1)));
  });
  lines.push(`let ${out(extent - 1)} = ${dy(size - 1)};`);
  return lines.join('\n');
}

/** Gᵀ m: the gradients of three weights, from the products at m + 2 points. */
export function gatherWeights(
  { extent, pairs }: Scheme,
  m: (point: number) => string,
  out: (index: number) => string,
): string {
  const lines = sumsOfPairs(pairs, m);
  const ends: readonly string[] = [
    ` + ${sum([1 / divisorAtZero(pairs)], () => m(0))}`,
    '',
    ` + ${m(extent - 1)}`,
  ];
  ends.forEach((end, power) => {
    const terms = sum(
      pairs.map((p) => p ** power / divisorAt(p, pairs)),
      (index) => `${m(1 + 2 * index)}${power % 2 === 0 ? 's' : 'd'}`,
    );
    lines.push(`let ${out(power)} = ${terms}${end};`);
  });
  return lines.join('\n');
}

/** A m: m results, from the products at m + 2 points. */
export function interpolate(
  { size, extent, pairs }: Scheme,
  m: (point: number) => string,
  out: (index: number) => string,
): string {
  const lines = sumsOfPairs(pairs, m);
  for (let power = 0; power < size; power++) {
    const half = power % 2 === 0 ? 's' : 'd';
    const terms = sum(
      pairs.map((p) => p ** power),
      (index) => `${m(1 + 2 * index)}${half}`,
    );
    const ends = [...(power === 0 ? [m(0)] : []), ...(power === size - 1 ? [m(extent - 1)] : [])];
    lines.push(`let ${out(power)} = ${[terms, ...ends].join(' + ')};`);
  }
  return lines.join('\n');
}

/** The product of all differences between a point and the others, by which G divides. */
function divisorAtZero(pairs: readonly number[]): number {
  return pairs.reduce((product, q) => product * -q * q, 1);
}

function divisorAt(p: number, pairs: readonly number[]): number {
  return pairs.filter((q) => q !== p).reduce((product, q) => product * (p * p - q * q), 2 * p * p);
}

/** For each pair the sum, whose name ends in s, and the difference, whose name ends in d. */
function sumsOfPairs(pairs: readonly number[], m: (point: number) => string): string[] {
  return pairs.flatMap((_, index) => {
    const [plus, minus] = [m(1 + 2 * index), m(2 + 2 * index)];
    return [`let ${plus}s = ${plus} + ${minus};`, `let ${plus}d = ${plus} - ${minus};`];
  });
}

function pair(plus: string, minus: string, even: string, odd: string): string[] {
  return [
    `let ${plus}even = ${even};`,
    `let ${plus}odd = ${odd};`,
    `let ${plus} = ${plus}even + ${plus}odd;`,
    `let ${minus} = ${plus}even - ${plus}odd;`,
  ];
}

/** Σ coefficient · value, over coefficients other than 0. */
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
