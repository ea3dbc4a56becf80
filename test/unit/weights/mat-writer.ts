/** Writes MATLAB 5 files as MATLAB does, for tests: small elements, padding, compression, either byte order. */
import { deflateSync } from 'node:zlib';
import type { MatValue } from '../../../src/weights/containers/matlab/mat-file.ts';

export interface MatOptions {
  readonly compress?: boolean;
  readonly bigEndian?: boolean;
  /** How numbers are stored: MATLAB takes the smallest type that holds them all. */
  readonly storage?: 'double' | 'smallest';
}

/** What is written: large arrays are numbers, too. */
type Written = Exclude<MatValue, { kind: 'array' }>;

export function mat(variables: Readonly<Record<string, MatValue>>, options: MatOptions = {}): Buffer {
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file, for a test');
  header.writeUInt16LE(options.bigEndian ? 0x0001 : 0x0100, 124);
  header.write(options.bigEndian ? 'MI' : 'IM', 126);
  const writer = new Writer(options);
  const parts = Object.entries(variables).map(([name, value]) => {
    const matrix = writer.matrix(name, value);
    return options.compress ? writer.element(15, deflateSync(matrix), false) : matrix;
  });
  return Buffer.concat([header, ...parts]);
}

const CLASS = { cell: 1, struct: 2, text: 4, numbers: 6, other: 5 };

class Writer {
  readonly #options: MatOptions;

  constructor(options: MatOptions) {
    this.#options = options;
  }

  matrix(name: string, value: MatValue): Buffer {
    if (value.kind === 'array') throw new RangeError('give arrays as numbers');
    const shape =
      value.kind === 'text' ? [1, value.text.length] : value.kind === 'other' ? [1, 1] : value.shape;
    const parts = [
      this.element(6, this.#words([CLASS[value.kind], 0])),
      this.element(5, this.#words(shape)),
      this.element(1, Buffer.from(name)),
      ...this.#content(value),
    ];
    return this.element(14, Buffer.concat(parts));
  }

  /** Up to four bytes go into the tag itself. */
  element(type: number, data: Buffer, pad = true): Buffer {
    if (data.length > 0 && data.length <= 4 && pad) {
      const [low, high] = [type, data.length];
      const tag = this.#options.bigEndian
        ? Buffer.of(high >> 8, high, low >> 8, low)
        : Buffer.of(low, low >> 8, high, high >> 8);
      return Buffer.concat([tag, data, Buffer.alloc(4 - data.length)]);
    }
    const padding = pad ? (8 - (data.length % 8)) % 8 : 0;
    return Buffer.concat([this.#words([type, data.length]), data, Buffer.alloc(padding)]);
  }

  #content(value: Written): Buffer[] {
    switch (value.kind) {
      case 'text':
        return [this.element(4, this.#halves([...value.text].map((letter) => letter.charCodeAt(0))))];
      case 'numbers':
        return [this.#numbers(value.values)];
      case 'cell':
        return value.values.map((inner) => this.matrix('', inner));
      case 'struct': {
        const fields = [...(value.elements[0]?.keys() ?? [])];
        const names = fields.map((field) => Buffer.from(field.padEnd(32, '\0')));
        const inner = value.elements.flatMap((element) =>
          fields.map((field) => this.matrix('', element.get(field)!)),
        );
        return [this.element(5, this.#words([32])), this.element(1, Buffer.concat(names)), ...inner];
      }
      default:
        return [this.element(6, this.#words([0]))];
    }
  }

  #numbers(values: readonly number[]): Buffer {
    const small = values.every((value) => Number.isInteger(value) && value >= 0 && value < 65536);
    if (this.#options.storage === 'smallest' && small) return this.element(4, this.#halves(values));
    const data = Buffer.alloc(8 * values.length);
    values.forEach((value, i) => {
      if (this.#options.bigEndian) data.writeDoubleBE(value, 8 * i);
      else data.writeDoubleLE(value, 8 * i);
    });
    return this.element(9, data);
  }

  #words(values: readonly number[]): Buffer {
    const data = Buffer.alloc(4 * values.length);
    values.forEach((value, i) => {
      if (this.#options.bigEndian) data.writeUInt32BE(value, 4 * i);
      else data.writeUInt32LE(value, 4 * i);
    });
    return data;
  }

  #halves(values: readonly number[]): Buffer {
    const data = Buffer.alloc(2 * values.length);
    values.forEach((value, i) => {
      if (this.#options.bigEndian) data.writeUInt16BE(value, 2 * i);
      else data.writeUInt16LE(value, 2 * i);
    });
    return data;
  }
}
