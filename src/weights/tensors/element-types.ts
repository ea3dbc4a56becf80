/** The element types of weight files, under safetensors's names, and how each becomes float32. */

/** Bits per element. Types that cannot be read are only recognized in headers. */
const bits: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  I64: 64,
  U64: 64,
  F64: 64,
};

export const readableTypes = ['F32', 'F16', 'BF16', 'F64'] as const;
export type ReadableType = (typeof readableTypes)[number];

export function isReadable(type: string): type is ReadableType {
  return (readableTypes as readonly string[]).includes(type);
}

/** Integers, of which quantized weights, axes and counts consist. They become float32, exactly up to 2²⁴. */
const integerTypes = ['I8', 'U8', 'I32', 'I64'] as const;
export type IntegerType = (typeof integerTypes)[number];

export function isInteger(type: string): type is IntegerType {
  return (integerTypes as readonly string[]).includes(type);
}

/** Bytes per element, or undefined for an unknown type. */
export function elementBytes(type: string): number | undefined {
  return Object.hasOwn(bits, type) ? bits[type]! / 8 : undefined;
}

/** The bytes of float32 values. All machines that this runs on are little-endian, as the formats are. */
export function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/**
 * Widens (F64: rounds) little-endian elements to float32.
 * @param bytes a whole number of elements, no more than `target` has room for
 */
export function widen(type: ReadableType | IntegerType, bytes: Uint8Array, target: Float32Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = elementBytes(type)!;
  const read = readers[type];
  for (let i = 0; i * size < bytes.byteLength; i++) target[i] = read(view, i * size);
}

const readers: Readonly<Record<ReadableType | IntegerType, (view: DataView, at: number) => number>> = {
  F32: (view, at) => view.getFloat32(at, true),
  F64: (view, at) => view.getFloat64(at, true),
  I8: (view, at) => view.getInt8(at),
  U8: (view, at) => view.getUint8(at),
  I32: (view, at) => view.getInt32(at, true),
  I64: (view, at) => Number(view.getBigInt64(at, true)),
  F16: (view, at) => halfToNumber(view.getUint16(at, true)),
  BF16: (view, at) => bfloat16ToNumber(view.getUint16(at, true)),
};

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
function halfToNumber(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a float32. */
function bfloat16ToNumber(half: number): number {
  word.setUint32(0, half << 16);
  return word.getFloat32(0);
}
