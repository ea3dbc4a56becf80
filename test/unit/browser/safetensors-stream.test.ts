import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { streamSafetensors } from '../../../src/browser/safetensors-stream.ts';
import { formatHeader } from '../../../src/weights/formats/safetensors/header.ts';
import { type NamedTensor, safetensorsPieces } from '../../../src/weights/formats/safetensors/writer.ts';

const TENSORS = [
  { name: 'a', shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 4, 5, 6) },
  { name: 'b', shape: [], data: Float32Array.of(7) },
  { name: 'empty', shape: [0, 4], data: new Float32Array(0) },
  { name: 'optimizer.x', shape: [3], data: Float32Array.of(8, 9, 10) },
];

async function fileOf(tensors: readonly NamedTensor[]): Promise<Buffer> {
  const { pieces, bytes } = safetensorsPieces('a file', tensors, { fact: 'yes' });
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  const file = Buffer.concat(all);
  assert.equal(file.length, bytes);
  return file;
}

/** @param sizes of the pieces, repeated as often as needed */
function streamOf(file: Uint8Array, sizes: readonly number[]): ReadableStream<Uint8Array> {
  let [at, turn] = [0, 0];
  return new ReadableStream({
    pull(controller) {
      if (at >= file.length) return controller.close();
      const end = at + sizes[turn++ % sizes.length]!;
      controller.enqueue(file.slice(at, end));
      at = end;
    },
  });
}

async function read(stream: ReadableStream<Uint8Array>) {
  const tensors: NamedTensor[] = [];
  const progress: [number, number][] = [];
  let metadata: Readonly<Record<string, string>> = {};
  await streamSafetensors('a file', stream, {
    onHeader: (header) => {
      metadata = header.metadata;
    },
    onTensor: async (tensor) => void tensors.push(tensor),
    select: (name) => !name.startsWith('optimizer.'),
    onProgress: (...both) => progress.push(both),
  });
  return { tensors, metadata, progress };
}

describe('a safetensors file read while it arrives', () => {
  it('is read whatever the sizes of the pieces', async () => {
    const file = await fileOf(TENSORS);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 400 }), { minLength: 1 }), async (sizes) => {
        const { tensors, metadata, progress } = await read(streamOf(file, [...sizes, 1]));
        assert.deepEqual(tensors, TENSORS.slice(0, 3));
        assert.deepEqual(metadata, { fact: 'yes' });
        assert.ok(progress.every(([done, total]) => total === file.length && done <= total));
      }),
      { numRuns: 100 },
    );
  });

  it('is read in parts, also from a stream of bytes, whose memory is used again', async () => {
    const file = await fileOf(TENSORS);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.boolean(), async (most, isByteStream) => {
        const parts = new Map<string, number[]>();
        const stream = isByteStream ? new Blob([file]).stream() : streamOf(file, [13]);
        await streamSafetensors('a file', stream as ReadableStream<Uint8Array>, {
          ...{ onHeader: () => {}, most },
          onTensor: async ({ name, data }, offset) => {
            const before = parts.get(name) ?? [];
            assert.equal(offset, before.length);
            assert.ok(data.length <= most);
            parts.set(name, [...before, ...data]);
          },
        });
        assert.deepEqual(parts, new Map(TENSORS.map(({ name, data }) => [name, [...data]])));
      }),
      { numRuns: 50 },
    );
  });

  it('widens half floats', async () => {
    const entries = [{ name: 'h', type: 'F16', shape: [3], start: 0, end: 6 }];
    const header = formatHeader('a file', { entries, metadata: {} });
    const halves = Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x3555).buffer);
    const { tensors } = await read(streamOf(Buffer.concat([header, halves]), [5]));
    assert.deepEqual(tensors[0]!.data, Float32Array.of(1, -2, 0.333251953125));
  });

  it('is refused when it is truncated anywhere, or continues', async () => {
    const file = await fileOf(TENSORS);
    for (let length = 0; length < file.length; length++) {
      await assert.rejects(read(streamOf(file.subarray(0, length), [37])), {
        name: 'UserError',
        message: `a file is not a valid safetensors file: it ends at byte ${length}; copy or download it again, or save it again`,
      });
    }
    await assert.rejects(read(streamOf(Buffer.concat([file, Buffer.of(0)]), [50])), /there are bytes after/);
  });

  it('is cancelled when its reader fails', async () => {
    const file = await fileOf(TENSORS);
    let cancelled: unknown;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(file),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    const failure = new Error('enough');
    const options = { onHeader: () => {}, onTensor: () => Promise.reject(failure) };
    await assert.rejects(streamSafetensors('a file', stream, options), failure);
    assert.equal(cancelled, failure);
  });
});
