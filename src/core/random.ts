/**
 * All random numbers come from one seed through this file.
 *
 * Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011) is
 * a function from a key and a counter to 64 random bits. A key is derived from the seed and from the purpose of the
 * number (epoch, image, layer), so that a draw depends on nothing else, such as the number of workers, ranks or resumes.
 * It needs only 32-bit additions, rotations and exclusive ors, which TypeScript, C++ and shaders compute identically.
 */

/** 64 bits, as two unsigned 32-bit words. */
export type Key = readonly [number, number];

const SKEIN_PARITY = 0x1bd11bda;

/** Threefry-2x32-20: the 64 bits of a key and a counter. */
export function threefry2x32(key: Key, counter0: number, counter1: number): [number, number] {
  mix(key[0], key[1], counter0, counter1);
  return [mixed[0]!, mixed[1]!];
}

/** The last result of `mix`. It is reused, since hundreds of millions of draws must not allocate. */
const mixed = new Uint32Array(2);

/** Five groups of four rounds (add, rotate, exclusive or), after each of which the keys are added. */
function mix(key0: number, key1: number, counter0: number, counter1: number): void {
  let now = key0 | 0;
  let next = key1 | 0;
  let afterNext = SKEIN_PARITY ^ key0 ^ key1;
  let x0 = (counter0 + now) | 0;
  let x1 = (counter1 + next) | 0;
  for (let group = 1; group <= 5; group++) {
    if (group % 2 === 1) {
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 13) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 15) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 26) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 6) ^ x0;
    } else {
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 17) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 29) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 16) ^ x0;
      x0 = (x0 + x1) | 0;
      x1 = rotate(x1, 24) ^ x0;
    }
    const last = now;
    now = next;
    next = afterNext;
    afterNext = last;
    x0 = (x0 + now) | 0;
    x1 = (x1 + next + group) | 0;
  }
  mixed[0] = x0;
  mixed[1] = x1;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** The key of a seed, which may be any safe integer. */
export function keyOfSeed(seed: number): Key {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/** Derives the key for a purpose: an epoch, an image's number, a layer's name. */
export function deriveKey(key: Key, purpose: number | string): Key {
  if (typeof purpose === 'number') {
    return threefry2x32(key, purpose >>> 0, Math.floor(purpose / 2 ** 32) >>> 0);
  }
  // The high counter word tags characters, so that no string collides with a number below 2^32.
  let derived = threefry2x32(key, purpose.length, 0x80000000);
  for (let i = 0; i < purpose.length; i++) derived = threefry2x32(derived, purpose.charCodeAt(i), 0x80000001);
  return derived;
}

/** Derives a key through several purposes, one after another. */
export function deriveKeys(key: Key, ...purposes: readonly (number | string)[]): Key {
  return purposes.reduce<Key>((derived, purpose) => deriveKey(derived, purpose), key);
}

/** A sequence of draws. Two streams with the same key give the same numbers. */
export class RandomStream {
  readonly #key0: number;
  readonly #key1: number;
  #counter = 0;
  /** The second half of the last draw. −1 and NaN mean that there is none; this way the fields are always numbers. */
  #spareWord = -1;
  #spareNormal = Number.NaN;

  constructor([key0, key1]: Key) {
    this.#key0 = key0;
    this.#key1 = key1;
  }

  /** An integer in [0, 2^32). */
  word(): number {
    const spare = this.#spareWord;
    if (spare >= 0) {
      this.#spareWord = -1;
      return spare;
    }
    const counter = this.#counter++;
    mix(this.#key0, this.#key1, counter >>> 0, Math.floor(counter / 2 ** 32));
    this.#spareWord = mixed[1]!;
    return mixed[0]!;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** An unbiased integer in [0, bound); bound from 1 to 2^32. */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.word();
      if (word < limit) return word % bound;
    }
  }

  /** A draw from N(0, 1) (Box and Muller 1958). */
  normal(): number {
    const spare = this.#spareNormal;
    if (!Number.isNaN(spare)) {
      this.#spareNormal = Number.NaN;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** The numbers 0 … count − 1 in random order (Fisher and Yates). */
export function permutation(count: number, key: Key): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const random = new RandomStream(key);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
