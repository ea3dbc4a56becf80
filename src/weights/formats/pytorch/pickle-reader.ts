/**
 * Reads Python's pickle format, protocols 2 to 5, as far as it builds containers and scalars
 * (https://docs.python.org/3/library/pickletools.html lists the opcodes). A pickle is a program that may name and call
 * any Python function; here every name and every call goes to a `PickleHost`, which makes the parts of tensors and,
 * for anything else, an inert `PickleObject`.
 */
import { PickleObject, PickleTuple, type PickleValue } from './pickle-values.ts';

export interface PickleHost {
  /** @throws PickleError for a name that is not allowed. */
  global(module: string, name: string): PickleValue;
  call(callable: PickleValue, args: readonly PickleValue[]): PickleValue;
  /** Sets an object's state. */
  build(target: PickleValue, state: PickleValue): void;
  persistent(id: PickleValue): PickleValue;
}

/** A pickle violates the format or uses a name that is not allowed. The message completes "its pickle …". */
export class PickleError extends Error {
  override name = 'PickleError';
  /** Whether the bytes end before the pickle does. */
  readonly truncated: boolean;
  constructor(message: string, truncated = false) {
    super(message);
    this.truncated = truncated;
  }
}

/** Reads one pickle. @returns its value, and the position after it */
export function unpickle(bytes: Uint8Array, host: PickleHost): { value: PickleValue; end: number } {
  const machine = new PickleMachine(bytes, host);
  return { value: machine.run(), end: machine.position };
}

const MARK = Symbol('mark');
type Slot = PickleValue | typeof MARK;

const decoder = new TextDecoder('utf-8', { fatal: true });

class PickleMachine {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #host: PickleHost;
  readonly #stack: Slot[] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(bytes: Uint8Array, host: PickleHost) {
    this.#bytes = bytes;
    this.#host = host;
  }

  run(): PickleValue {
    for (;;) {
      const at = this.position;
      const opcode = this.unsigned(1);
      if (opcode === 0x2e) return this.pop();
      const act = opcodes[opcode];
      if (!act) {
        throw new PickleError(
          `has the opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${at}, which no saved model needs`,
        );
      }
      act(this);
    }
  }

  // The operations that the opcode table below uses.

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.position) {
      throw new PickleError(`ends at byte ${this.#bytes.length}, in the middle of a value`, true);
    }
    const taken = this.#bytes.subarray(this.position, this.position + length);
    this.position += length;
    return taken;
  }

  unsigned(size: 1 | 2 | 4 | 8): number {
    // Little-endian: from the highest byte down.
    const value = this.take(size).reduceRight((sum, byte) => 256 * sum + byte, 0);
    if (!Number.isSafeInteger(value)) throw new PickleError(`has a length of ${value}`);
    return value;
  }

  float64(): number {
    const { buffer, byteOffset } = this.take(8);
    return new DataView(buffer, byteOffset).getFloat64(0);
  }

  text(length: number): string {
    try {
      return decoder.decode(this.take(length));
    } catch (error) {
      if (error instanceof PickleError) throw error;
      throw new PickleError('has a string that is not UTF-8');
    }
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.position);
    if (end < 0) throw new PickleError('ends in the middle of a line', true);
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }

  /** Two's complement, little-endian. */
  long(length: number): number | bigint {
    if (length > 64) throw new PickleError(`has an integer of ${length} bytes`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    if (length > 0 && bytes[length - 1]! >= 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  pop(): PickleValue {
    if (this.#stack.length === 0) throw new PickleError('pops from an empty stack');
    const value = this.#stack.pop();
    if (value === MARK) throw new PickleError('pops a mark instead of a value');
    return value as PickleValue;
  }

  /** Pops a value or a mark. */
  drop(): void {
    if (this.#stack.length === 0) throw new PickleError('pops from an empty stack');
    this.#stack.pop();
  }

  top(): PickleValue {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK)
      throw new PickleError('changes a value that is not there');
    return value as PickleValue;
  }

  popToMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw new PickleError('pops to a mark that is not there');
    const items = this.#stack.splice(at) as PickleValue[];
    items.shift();
    return items;
  }

  tuple(count: number): void {
    const items: PickleValue[] = [];
    for (let i = 0; i < count; i++) items.unshift(this.pop());
    this.push(new PickleTuple(items));
  }

  append(items: readonly PickleValue[]): void {
    const list = this.#itemsOfTop();
    if (!Array.isArray(list)) throw new PickleError('appends to a value that is not a list');
    for (const item of items) list.push(item);
  }

  setItems(items: readonly PickleValue[]): void {
    const top = this.top();
    const map = top instanceof PickleObject ? top.entries : top;
    if (!(map instanceof Map)) throw new PickleError('sets items of a value that is not a dictionary');
    if (items.length % 2 !== 0) throw new PickleError('sets a key without a value');
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  addItems(items: readonly PickleValue[]): void {
    const set = this.#itemsOfTop();
    if (Array.isArray(set)) this.append(items);
    else if (!(set instanceof Set)) throw new PickleError('adds items to a value that is not a set');
    else for (const item of items) set.add(item);
  }

  #itemsOfTop(): PickleValue {
    const top = this.top();
    return top instanceof PickleObject ? top.items : top;
  }

  remember(key: number): void {
    this.#memo.set(key, this.top());
  }

  memoize(): void {
    this.#memo.set(this.#memo.size, this.top());
  }

  recall(key: number): void {
    if (!this.#memo.has(key)) throw new PickleError(`recalls value ${key}, which it never stored`);
    this.push(this.#memo.get(key));
  }

  global(module: PickleValue, name: PickleValue): void {
    if (typeof module !== 'string' || typeof name !== 'string')
      throw new PickleError('uses a name that is not a string');
    this.push(this.#host.global(module, name));
  }

  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!(args instanceof PickleTuple))
      throw new PickleError('calls a function without a tuple of arguments');
    this.push(this.#host.call(callable, args.items));
  }

  /** `cls.__new__(cls, *args, **keywords)` */
  newObject(keywords: PickleValue): void {
    if (keywords !== undefined && !(keywords instanceof Map))
      throw new PickleError('makes an object with keywords that are not a dictionary');
    this.reduce();
  }

  build(): void {
    const state = this.pop();
    this.#host.build(this.top(), state);
  }

  persistent(): void {
    this.push(this.#host.persistent(this.pop()));
  }
}

/** The supported opcodes; all others are rejected. */
const opcodes: Readonly<Record<number, (machine: PickleMachine) => void>> = {
  128: (m) => void m.unsigned(1), // PROTO
  149: (m) => void m.unsigned(8), // FRAME
  40: (m) => m.mark(), // MARK
  48: (m) => m.drop(), // POP
  49: (m) => void m.popToMark(), // POP_MARK
  50: (m) => m.push(m.top()), // DUP
  78: (m) => m.push(null), // NONE
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  75: (m) => m.push(m.unsigned(1)), // BININT1
  77: (m) => m.push(m.unsigned(2)), // BININT2
  74: (m) => m.push(m.unsigned(4) | 0), // BININT
  138: (m) => m.push(m.long(m.unsigned(1))), // LONG1
  139: (m) => m.push(m.long(m.unsigned(4))), // LONG4
  71: (m) => m.push(m.float64()), // BINFLOAT
  140: (m) => m.push(m.text(m.unsigned(1))), // SHORT_BINUNICODE
  88: (m) => m.push(m.text(m.unsigned(4))), // BINUNICODE
  141: (m) => m.push(m.text(m.unsigned(8))), // BINUNICODE8
  85: (m) => m.push(m.text(m.unsigned(1))), // SHORT_BINSTRING
  84: (m) => m.push(m.text(m.unsigned(4))), // BINSTRING
  67: (m) => m.push(m.take(m.unsigned(1))), // SHORT_BINBYTES
  66: (m) => m.push(m.take(m.unsigned(4))), // BINBYTES
  142: (m) => m.push(m.take(m.unsigned(8))), // BINBYTES8
  150: (m) => m.push(m.take(m.unsigned(8))), // BYTEARRAY8
  93: (m) => m.push([]), // EMPTY_LIST
  41: (m) => m.push(new PickleTuple([])), // EMPTY_TUPLE
  125: (m) => m.push(new Map()), // EMPTY_DICT
  143: (m) => m.push(new Set()), // EMPTY_SET
  133: (m) => m.tuple(1), // TUPLE1
  134: (m) => m.tuple(2), // TUPLE2
  135: (m) => m.tuple(3), // TUPLE3
  116: (m) => m.push(new PickleTuple(m.popToMark())), // TUPLE
  108: (m) => m.push(m.popToMark()), // LIST
  145: (m) => m.push(new Set(m.popToMark())), // FROZENSET
  97: (m) => m.append([m.pop()]), // APPEND
  101: (m) => m.append(m.popToMark()), // APPENDS
  115: (m) => m.setItems([m.pop(), m.pop()].reverse()), // SETITEM
  117: (m) => m.setItems(m.popToMark()), // SETITEMS
  144: (m) => m.addItems(m.popToMark()), // ADDITEMS
  113: (m) => m.remember(m.unsigned(1)), // BINPUT
  114: (m) => m.remember(m.unsigned(4)), // LONG_BINPUT
  148: (m) => m.memoize(), // MEMOIZE
  104: (m) => m.recall(m.unsigned(1)), // BINGET
  106: (m) => m.recall(m.unsigned(4)), // LONG_BINGET
  99: (m) => m.global(m.line(), m.line()), // GLOBAL
  147: (m) => {
    const name = m.pop();
    m.global(m.pop(), name);
  }, // STACK_GLOBAL
  82: (m) => m.reduce(), // REDUCE
  129: (m) => m.newObject(undefined), // NEWOBJ
  146: (m) => m.newObject(m.pop()), // NEWOBJ_EX
  98: (m) => m.build(), // BUILD
  81: (m) => m.persistent(), // BINPERSID
};
