import { elementCount, type Shape } from '../../../core/shape.ts';

export interface PickledStateEntry {
  readonly name: string;
  readonly shape: Shape;
}

/**
 * The pickle (protocol 2) of an OrderedDict of float32 tensors, each the whole of a storage whose key is its
 * number: the names that `torch.load(weights_only=True)` allows, and no others.
 */
export function pickleStateDict(entries: readonly PickledStateEntry[]): Uint8Array {
  const out = new PickleBuilder();
  out.opcode(0x80).byte(2);
  out.emptyOrderedDict().mark();
  for (const [key, { name, shape }] of entries.entries()) {
    out.text(name);
    out.global('torch._utils', '_rebuild_tensor_v2').mark();
    out.mark().text('storage').global('torch', 'FloatStorage').text(String(key)).text('cpu');
    out.int(elementCount(shape)).opcode(TUPLE).opcode(BINPERSID);
    out.int(0).ints(shape).ints(stridesOf(shape)).opcode(NEWFALSE).emptyOrderedDict();
    out.opcode(TUPLE).opcode(REDUCE);
  }
  out.opcode(SETITEMS).opcode(STOP);
  return out.bytes();
}

const MARK = 0x28;
const TUPLE = 0x74;
const REDUCE = 0x52;
const SETITEMS = 0x75;
const BINPERSID = 0x51;
const NEWFALSE = 0x89;
const EMPTY_TUPLE = 0x29;
const GLOBAL = 0x63;
const BINUNICODE = 0x58;
const BININT = 0x4a;
const STOP = 0x2e;

function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

class PickleBuilder {
  readonly #parts: Buffer[] = [];

  opcode(code: number): this {
    return this.byte(code);
  }

  byte(value: number): this {
    this.#parts.push(Buffer.of(value));
    return this;
  }

  mark(): this {
    return this.byte(MARK);
  }

  text(text: string): this {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.#parts.push(Buffer.of(BINUNICODE), length, bytes);
    return this;
  }

  int(value: number): this {
    const bytes = Buffer.alloc(5, BININT);
    bytes.writeInt32LE(value, 1);
    this.#parts.push(bytes);
    return this;
  }

  ints(values: readonly number[]): this {
    this.mark();
    for (const value of values) this.int(value);
    return this.byte(TUPLE);
  }

  global(module: string, name: string): this {
    this.#parts.push(Buffer.of(GLOBAL), Buffer.from(`${module}\n${name}\n`));
    return this;
  }

  emptyOrderedDict(): this {
    return this.global('collections', 'OrderedDict').byte(EMPTY_TUPLE).byte(REDUCE);
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
