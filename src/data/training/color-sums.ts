/** Exact sums over RGB values. They are integers, so the order of the images does not matter. */
import type { Rgb } from '../../core/shape.ts';
import type { RgbImage } from '../sources/image-source.ts';
import type { ColorAxes } from './color-shift.ts';
import { type Matrix3, symmetricEigen } from './symmetric-eigen.ts';

/** pixels, ΣR ΣG ΣB, ΣRR ΣRG ΣRB ΣGG ΣGB ΣBB */
const SUMS = 10;

export class ColorSums {
  readonly #sums: bigint[];

  constructor(sums: readonly bigint[] = new Array<bigint>(SUMS).fill(0n)) {
    if (sums.length !== SUMS) throw new RangeError(`${sums.length} sums instead of ${SUMS}`);
    this.#sums = [...sums];
  }

  /** The sum of the parts. */
  static total(parts: readonly ColorSums[]): ColorSums {
    const columns = Array.from({ length: SUMS }, (_, i) => parts.map((part) => part.#sums[i]!));
    return new ColorSums(columns.map((column) => column.reduce((a, b) => a + b, 0n)));
  }

  /** Adds an image. Its sums stay below 2^53 (up to 10^11 pixels); those of a data set may not. */
  add({ pixels }: RgbImage): void {
    let [r, g, b, rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < pixels.length; i += 3) {
      const red = pixels[i]!;
      const green = pixels[i + 1]!;
      const blue = pixels[i + 2]!;
      r += red;
      g += green;
      b += blue;
      rr += red * red;
      rg += red * green;
      rb += red * blue;
      gg += green * green;
      gb += green * blue;
      bb += blue * blue;
    }
    [pixels.length / 3, r, g, b, rr, rg, rb, gg, gb, bb].forEach((sum, i) => {
      this.#sums[i]! += BigInt(sum);
    });
  }

  get pixels(): number {
    return Number(this.#sums[0]);
  }

  /** The mean RGB over all pixels of all images. */
  mean(): Rgb {
    return [this.#ratio(1), this.#ratio(2), this.#ratio(3)];
  }

  /** cov(a, b) = (n Σab − Σa Σb) / n², where the difference is exact. */
  covariance(): Matrix3 {
    const [n, ...rest] = this.#sums as [bigint, ...bigint[]];
    const sum = rest.slice(0, 3);
    const products = rest.slice(3);
    const at = (a: number, b: number, product: number): number =>
      n === 0n ? 0 : Number(n * products[product]! - sum[a]! * sum[b]!) / Number(n) / Number(n);
    const [rg, rb, gb] = [at(0, 1, 1), at(0, 2, 2), at(1, 2, 4)];
    return [
      [at(0, 0, 0), rg, rb],
      [rg, at(1, 1, 3), gb],
      [rb, gb, at(2, 2, 5)],
    ];
  }

  /** The principal axes and the standard deviations along them. */
  axes(): ColorAxes {
    const { values, vectors } = symmetricEigen(this.covariance());
    // Rounding may make a variance of zero slightly negative.
    const deviations = values.map((value) => Math.sqrt(Math.max(0, value))) as unknown as Rgb;
    return { directions: vectors, deviations };
  }

  /** Decimal numbers, for JSON. */
  toJSON(): string[] {
    return this.#sums.map(String);
  }

  #ratio(index: number): number {
    const pixels = this.#sums[0]!;
    return pixels === 0n ? 0 : Number(this.#sums[index]) / Number(pixels);
  }
}
