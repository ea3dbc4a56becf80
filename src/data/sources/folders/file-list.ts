/**
 * A million file names in tens of bytes each: the names stand end to end in one buffer, found by offset,
 * and the labels in one array. An object or even a string an image would take several times as much.
 */
export class FileList {
  /** UTF-8, end to end. */
  readonly names: Buffer;
  /** Where each name starts, and where the last one ends. */
  readonly offsets: Uint32Array;
  /** Class numbers, −1 for none. */
  readonly labels: Int32Array;

  constructor(names: Buffer, offsets: Uint32Array, labels: Int32Array) {
    this.names = names;
    this.offsets = offsets;
    this.labels = labels;
  }

  get length(): number {
    return this.labels.length;
  }

  name(index: number): string {
    if (!(index >= 0 && index < this.length)) throw new RangeError(`no image ${index} among ${this.length}`);
    return this.names.toString('utf8', this.offsets[index], this.offsets[index + 1]);
  }

  /** All the bytes that tell one list from another, for a hash. */
  hashParts(): Uint8Array[] {
    return [this.names, bytesOf(this.offsets), bytesOf(this.labels)];
  }
}

export class FileListBuilder {
  #names = Buffer.allocUnsafeSlow(1 << 16);
  #offsets = new Uint32Array(1 << 12);
  #labels = new Int32Array(1 << 12);
  #bytes = 0;
  #count = 0;

  add(name: string, label: number): void {
    const most = name.length * 3;
    if (this.#bytes + most > this.#names.length) this.#growNames(this.#bytes + most);
    if (this.#count + 1 >= this.#offsets.length) this.#growEntries();
    this.#labels[this.#count] = label;
    this.#bytes += this.#names.write(name, this.#bytes, 'utf8');
    this.#offsets[++this.#count] = this.#bytes;
  }

  build(): FileList {
    // Copies of the exact size, so that the room left for growth is given back.
    const names = Buffer.allocUnsafeSlow(this.#bytes);
    this.#names.copy(names, 0, 0, this.#bytes);
    return new FileList(names, this.#offsets.slice(0, this.#count + 1), this.#labels.slice(0, this.#count));
  }

  #growNames(atLeast: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(atLeast, this.#names.length * 2));
    this.#names.copy(larger, 0, 0, this.#bytes);
    this.#names = larger;
  }

  #growEntries(): void {
    const offsets = new Uint32Array(this.#offsets.length * 2);
    offsets.set(this.#offsets);
    this.#offsets = offsets;
    const labels = new Int32Array(this.#labels.length * 2);
    labels.set(this.#labels);
    this.#labels = labels;
  }
}

function bytesOf(array: Uint32Array | Int32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
