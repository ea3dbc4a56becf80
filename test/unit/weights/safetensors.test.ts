import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { UserError } from '../../../src/core/errors.ts';
import { elementCount } from '../../../src/core/shape.ts';
import { readSafetensors } from '../../../src/weights/formats/safetensors/reader.ts';
import type { NamedTensor } from '../../../src/weights/formats/safetensors/writer.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { writeSafetensors } from './fixtures.ts';

const temporary = new TemporaryFolder();
const file = () => temporary.path('x.safetensors');

/** A file from its parts, as the specification describes it. */
function assemble(header: unknown, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

const tensor = fc.array(fc.nat(4), { maxLength: 4 }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    data: fc
      .array(fc.float(), { minLength: elementCount(shape), maxLength: elementCount(shape) })
      .map((values) => Float32Array.from(values)),
  }),
);
const wellFormed = fc.string({ unit: 'binary' });
const tensors = fc.dictionary(wellFormed, tensor, { maxKeys: 6 }).map((named) =>
  Object.entries(named)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, rest]): NamedTensor => ({ name, ...rest })),
);
const metadata = fc.dictionary(wellFormed, wellFormed, { maxKeys: 4 });

describe('safetensors', () => {
  test('what is written is read back bit for bit', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (written, facts) => {
        await writeSafetensors(file(), written, facts);
        const read = await readSafetensors(file());
        assert.equal(read.tensors.size, written.length);
        for (const { name, shape, data } of written) {
          assert.deepEqual(read.tensors.get(name)?.shape, shape);
          assert.deepEqual(read.tensors.get(name)?.data, data);
        }
        assert.deepEqual({ ...read.metadata }, { ...facts });
      }),
      { numRuns: 100 },
    );
  });

  test('the same content in any order gives the same bytes, aligned to 8', async () => {
    const a = { name: 'a', shape: [3], data: Float32Array.of(1, 2, 3) };
    const b = { name: 'b', shape: [], data: Float32Array.of(4) };
    await writeSafetensors(file(), [a, b], { x: '1', y: '2' });
    const first = await readFile(file());
    await writeSafetensors(file(), [b, a], { y: '2', x: '1' });
    assert.deepEqual(await readFile(file()), first);
    assert.equal(first.readUInt32LE(0) % 8, 0);
    assert.deepEqual(await readdir(temporary.folder), ['x.safetensors'], 'no temporary file remains');
  });

  test('throws nothing but a UserError for changed or truncated files', async () => {
    const weight = { name: 'weight', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) };
    const bias = { name: 'bias', shape: [2], data: Float32Array.of(5, 6) };
    await writeSafetensors(file(), [weight, bias], { key: 'value' });
    const whole = await readFile(file());
    const damaged = fc.oneof(
      fc.record({ at: fc.nat(whole.length - 1), byte: fc.nat(255) }).map(({ at, byte }) => {
        const bytes = Buffer.from(whole);
        bytes[at] = byte;
        return bytes;
      }),
      fc.nat(whole.length).map((length) => whole.subarray(0, length)),
      fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
      fc.uint8Array({ maxLength: 64 }).map((bytes) => assemble(Buffer.from(bytes).toString('latin1'))),
      fc.json().map((json) => assemble(json)),
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (bytes) => {
        await writeFile(file(), bytes);
        await readSafetensors(file()).catch((error) => {
          assert.ok(error instanceof UserError, `${error?.stack}`);
          assert.ok(error.message.includes(file()));
        });
      }),
      { numRuns: 500 },
    );
  });

  test('reads only the tensors selected, and reports progress', async () => {
    await writeSafetensors(file(), [
      { name: 'a', shape: [2], data: Float32Array.of(1, 2) },
      { name: 'optimizer.a', shape: [2], data: Float32Array.of(3, 4) },
    ]);
    const steps: [number, number][] = [];
    const { tensors } = await readSafetensors(file(), {
      select: (name) => !name.startsWith('optimizer.'),
      onProgress: (read, total) => steps.push([read, total]),
    });
    assert.deepEqual([...tensors.keys()], ['a']);
    assert.deepEqual(steps, [[8, 8]]);
  });

  test('the header describes the tensors before they are read', async () => {
    await writeSafetensors(file(), [{ name: 'a', shape: [1, 2], data: Float32Array.of(1, 2) }], { m: 'n' });
    let header: unknown;
    const onHeader = (found: unknown) => {
      header = found;
      return undefined;
    };
    await readSafetensors(file(), { onHeader, select: () => false });
    assert.deepEqual(header, {
      entries: [{ name: 'a', type: 'F32', shape: [1, 2], start: 0, end: 8 }],
      metadata: { m: 'n' },
    });
  });

  test('widens half, bfloat16 and double', async () => {
    // 1.5, −2, the smallest subnormal, the largest half, infinity.
    const half = Uint16Array.of(0x3e00, 0xc000, 0x0001, 0x7bff, 0x7c00);
    const brain = Uint16Array.of(0x3fc0, 0xc000, 0x7f80);
    const double = Float64Array.of(1.5, -2, 1 / 3);
    const header = {
      double: { dtype: 'F64', shape: [3], data_offsets: [0, 24] },
      half: { dtype: 'F16', shape: [5], data_offsets: [24, 34] },
      brain: { dtype: 'BF16', shape: [3], data_offsets: [34, 40] },
    };
    const parts = [double, half, brain].map((part) => Buffer.from(part.buffer));
    await writeFile(file(), assemble(header, Buffer.concat(parts)));
    const { tensors } = await readSafetensors(file());
    assert.deepEqual([...tensors.get('half')!.data], [1.5, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY]);
    assert.deepEqual([...tensors.get('brain')!.data], [1.5, -2, Number.POSITIVE_INFINITY]);
    assert.deepEqual([...tensors.get('double')!.data], [1.5, -2, Math.fround(1 / 3)]);
  });

  test('tensors larger than one chunk are read completely', async () => {
    const count = 5 * 2 ** 20 + 3;
    const data = Float32Array.from({ length: count }, (_, i) => i % 1999);
    await writeSafetensors(file(), [{ name: 'large', shape: [count], data }]);
    let reads = 0;
    const options = { onProgress: () => reads++ };
    assert.deepEqual((await readSafetensors(file(), options)).tensors.get('large')?.data, data);
    assert.ok(reads > 1);
    const brain = new Uint16Array(new Uint32Array(data.buffer).map((word) => word >>> 16));
    const header = { large: { dtype: 'BF16', shape: [count], data_offsets: [0, 2 * count] } };
    await writeFile(file(), assemble(header, new Uint8Array(brain.buffer)));
    const widened = (await readSafetensors(file())).tensors.get('large')!.data;
    const last = new Uint32Array(widened.buffer);
    assert.ok(last.every((word, i) => word === brain[i]! << 16));
  });

  const entry = (start: number, end: number, shape = [(end - start) / 4], dtype = 'F32') => ({
    dtype,
    shape,
    data_offsets: [start, end],
  });
  const EMPTY = JSON.stringify(entry(0, 0));
  /** A file of one tensor. */
  const one = (tensor: object, bytes = 0) => assemble({ a: tensor }, Buffer.alloc(bytes));
  const malformed: [what: string, bytes: Buffer, message: RegExp][] = [
    ['an empty file', Buffer.alloc(0), /it has 0 bytes, fewer than/],
    ['a length beyond the file', Buffer.from('\x10\0\0\0\0\0\0\0{}'), /should take 16 bytes, but only 2/],
    ['a length beyond the limit', Buffer.alloc(16, 0x7f), /above the limit of 100000000/],
    ['a header that is not JSON', assemble('{"a"'), /header is not JSON/],
    ['a header that is not an object', assemble('[1]'), /does not start with a JSON object/],
    ['a duplicate name', assemble(`{"a":${EMPTY},"a":${EMPTY}}`), /duplicate name "a"/],
    ['a hole', one(entry(4, 8), 8), /hole of 4 bytes before tensor "a"/],
    ['an overlap', assemble({ a: entry(0, 8), b: entry(4, 12) }, Buffer.alloc(12)), /"b" overlaps/],
    ['too few bytes', one(entry(0, 8), 4), /at byte 8 of the data, but there are only 4/],
    ['too many bytes', one(entry(0, 4), 8), /there are 4 bytes after its last tensor/],
    ['a wrong size', one(entry(0, 8, [3]), 8), /8 bytes, but 3 of F32 takes 12/],
    ['an end before the start', one(entry(8, 0, [])), /before it starts/],
    ['a negative extent', one(entry(0, 4, [-1, -1]), 4), /not a list of whole numbers/],
    ['no dtype', one({ shape: [], data_offsets: [0, 0] }), /"a" has no dtype/],
    ['a number as metadata', assemble({ __metadata__: { k: 1 } }), /of "k" in __metadata__ is not a string/],
    ['integers', one(entry(0, 4, [1], 'I32'), 4), /"a" is I32, but only F32/],
    ['a PyTorch file', Buffer.from('PK\x03\x04 and so on'), /zip archive \(as PyTorch .*vgg convert/],
  ];
  for (const [what, bytes, message] of malformed) {
    test(`refuses ${what}, naming file and fault`, async () => {
      await writeFile(file(), bytes);
      await refused(readSafetensors(file()), message, file());
    });
  }

  test('refuses a missing file and a folder', async () => {
    await assert.rejects(readSafetensors(temporary.path('none')), /no such file or folder; check the path/);
    await assert.rejects(readSafetensors(temporary.folder), /it is a folder/);
  });

  test('refuses to write two tensors of one name, or a shape that does not fit', async () => {
    const a = { name: 'a', shape: [1], data: Float32Array.of(1) };
    await assert.rejects(writeSafetensors(file(), [a, a]), /two tensors have the name a/);
    const wrong = writeSafetensors(file(), [{ ...a, shape: [2] }]);
    await assert.rejects(wrong, /a has 1 values, but its shape is 2/);
  });
});
