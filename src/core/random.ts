/**
 * Everything random comes from one seed through this file.
 *
 * Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011) is a function from a key and a counter to 64 random bits. A key is derived from the seed by
 * folding in what the number is for (epoch, image, layer), so that a draw depends on nothing else:
 * not on the number of workers, ranks or resumes. It needs only 32-bit additions, rotations and exclusive
 * ors, which TypeScript, C++ and shaders compute alike.
 */

/** 64 bits, as two unsigned 32-bit words. */
export type Key = readonly [number, number];

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const;
const SKEIN_PARITY = 0x1bd11bda;

/** Threefry-2x32-20: the 64 bits that belong to a key and a counter. */
export function threefry2x32(key: Key, counter0: number, counter1: number): [number, number] {
  const keys = [key[0] | 0, key[1] | 0, SKEIN_PARITY ^ key[0] ^ key[1]];
  let x0 = (counter0 + keys[0]!) | 0;
  let x1 = (counter1 + keys[1]!) | 0;
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      const rotation = ROTATIONS[(group % 2) * 4 + round]!;
      x0 = (x0 + x1) | 0;
      x1 = (x1 << rotation) | (x1 >>> (32 - rotation));
      x1 ^= x0;
    }
    x0 = (x0 + keys[(group + 1) % 3]!) | 0;
    x1 = (x1 + keys[(group + 2) % 3]! + group + 1) | 0;
  }
  return [x0 >>> 0, x1 >>> 0];
}

/** The key of a person's seed: any safe integer. */
export function keyOfSeed(seed: number): Key {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}

/** The key for one purpose under another key: an epoch, an image's number, a layer's name. */
export function deriveKey(key: Key, purpose: number | string): Key {
  if (typeof purpose === 'number') {
    return threefry2x32(key, purpose >>> 0, Math.floor(purpose / 2 ** 32) >>> 0);
  }
  // The high counter word tags characters, so that no string collides with a number below 2^32.
  let derived = threefry2x32(key, purpose.length, 0x80000000);
  for (let i = 0; i < purpose.length; i++) derived = threefry2x32(derived, purpose.charCodeAt(i), 0x80000001);
  return derived;
}

/** Derives through several purposes in turn. */
export function deriveKeys(key: Key, ...purposes: readonly (number | string)[]): Key {
  return purposes.reduce<Key>((derived, purpose) => deriveKey(derived, purpose), key);
}

/** A sequence of draws under one key. Two streams with the same key give the same numbers. */
export class RandomStream {
  readonly #key: Key;
  #counter = 0;
  #spareWord: number | undefined;
  #spareNormal: number | undefined;

  constructor(key: Key) {
    this.#key = key;
  }

  /** A whole number in [0, 2^32). */
  word(): number {
    if (this.#spareWord !== undefined) {
      const word = this.#spareWord;
      this.#spareWord = undefined;
      return word;
    }
    const counter = this.#counter++;
    const [word, spare] = threefry2x32(this.#key, counter >>> 0, Math.floor(counter / 2 ** 32));
    this.#spareWord = spare;
    return word;
  }

  /** A number in [0, 1) with 53 random bits. */
  uniform(): number {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** A whole number in [0, bound), unbiased; bound from 1 to 2^32. */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const word = this.word();
      if (word < limit) return word % bound;
    }
  }

  /** A draw from N(0, 1) (Box and Muller 1958). */
  normal(): number {
    if (this.#spareNormal !== undefined) {
      const normal = this.#spareNormal;
      this.#spareNormal = undefined;
      return normal;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    const angle = 2 * Math.PI * this.uniform();
    this.#spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }
}

/** The numbers 0 … count − 1 in a random order (Fisher and Yates). */
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
