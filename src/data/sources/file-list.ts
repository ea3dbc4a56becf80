/**
 * Stores a million file names in a few tens of bytes each: the names are joined in one buffer and located by offset, and
 * the labels are in one array. An object or even a string for each image would take several times as much.
 */
export class FileList {
  /** The names in UTF-8, joined. */
  readonly names: Buffer;
  /** `[length + 1]`: where each name starts, and where the last one ends. */
  readonly offsets: Uint32Array;
  /** Class numbers, −1 for none. */
  readonly labels: Int32Array;

  constructor(names: Buffer, offsets: Uint32Array, labels: Int32Array) {
    this.names = names;
    this.offsets = offsets;
    this.labels = labels;
  }

  /** @param labels a class number for each name, −1 for none (default: no name has a label) */
  static of(names: readonly string[], labels?: readonly number[]): FileList {
    const offsets = new Uint32Array(names.length + 1);
    // UTF-8 takes at most three bytes for each UTF-16 code unit.
    const room = Buffer.allocUnsafeSlow(3 * names.reduce((sum, name) => sum + name.length, 0));
    names.forEach((name, i) => {
      offsets[i + 1] = offsets[i]! + room.write(name, offsets[i]!);
    });
    const joined = Buffer.from(room.subarray(0, offsets[names.length]));
    const numbers = labels ? Int32Array.from(labels) : new Int32Array(names.length).fill(-1);
    return new FileList(joined, offsets, numbers);
  }

  /** The lists one after another. */
  static concat(lists: readonly FileList[]): FileList {
    const length = lists.reduce((sum, list) => sum + list.length, 0);
    const offsets = new Uint32Array(length + 1);
    const labels = new Int32Array(length);
    let [done, bytes] = [0, 0];
    for (const list of lists) {
      labels.set(list.labels, done);
      for (let i = 1; i <= list.length; i++) offsets[done + i] = bytes + list.offsets[i]!;
      done += list.length;
      bytes += list.names.length;
    }
    return new FileList(Buffer.concat(lists.map(({ names }) => names)), offsets, labels);
  }

  get length(): number {
    return this.labels.length;
  }

  name(index: number): string {
    if (!(index >= 0 && index < this.length)) throw new RangeError(`no image ${index} among ${this.length}`);
    return this.names.toString('utf8', this.offsets[index], this.offsets[index + 1]);
  }

  /** All names, as strings. */
  all(): string[] {
    return Array.from(this.labels, (_, index) => this.name(index));
  }

  /** All bytes in which two lists can differ, for a hash. */
  hashParts(): Uint8Array[] {
    return [this.names, bytesOf(this.offsets), bytesOf(this.labels)];
  }
}

function bytesOf(array: Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
