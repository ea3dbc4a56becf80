/** Damages files at random, as transfers, disks and attackers do. */
import { deriveKeys, keyOfSeed, RandomStream } from '../../../src/core/random.ts';

/** Numbers that break lengths, offsets and counts. */
const EDGES = [
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x7fffffffffffffffn,
  0xffffffffffffffffn,
];

/** The damaged copy number `index` of a file. */
export function mutated(file: Uint8Array, seed: number, index: number): Buffer {
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'mutation', index));
  let bytes: Buffer = Buffer.from(file);
  const count = 1 + random.below(4);
  for (let i = 0; i < count && bytes.length > 0; i++)
    bytes = mutations[random.below(mutations.length)]!(bytes, random);
  return bytes;
}

type Mutation = (bytes: Buffer, random: RandomStream) => Buffer;

/** A position, more often near the beginning and the end, where files have their structures. */
function place(bytes: Buffer, random: RandomStream): number {
  const near = Math.min(bytes.length, 2048);
  switch (random.below(4)) {
    case 0:
      return random.below(near);
    case 1:
      return bytes.length - 1 - random.below(near);
    default:
      return random.below(bytes.length);
  }
}

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = place(bytes, random);
    bytes[at] = bytes[at]! ^ (1 << random.below(8));
    return bytes;
  },
  function changeByte(bytes, random) {
    bytes[place(bytes, random)] = random.below(256);
    return bytes;
  },
  function writeEdge(bytes, random) {
    const size = [1, 2, 4, 8][random.below(4)]!;
    const at = place(bytes, random);
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(EDGES[random.below(EDGES.length)]!);
    number.copy(bytes, at, 0, Math.min(size, bytes.length - at));
    return bytes;
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function remove(bytes, random) {
    const at = place(bytes, random);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))]);
  },
  function repeat(bytes, random) {
    const at = place(bytes, random);
    const length = 1 + random.below(256);
    return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
  },
  function overwrite(bytes, random) {
    const length = 1 + random.below(64);
    bytes.copyWithin(place(bytes, random), place(bytes, random), place(bytes, random) + length);
    return bytes;
  },
  function changeDigit(bytes, random) {
    // For headers and configurations that are text.
    const start = place(bytes, random);
    const found = bytes.subarray(start).findIndex((byte) => byte >= 0x30 && byte <= 0x39);
    if (found >= 0) bytes[start + found] = 0x30 + random.below(10);
    return bytes;
  },
];
