import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type MatValue, readMat } from '../../../src/weights/containers/matlab/mat-file.ts';
import { userError } from '../../support/refused.ts';
import { type MatOptions, mat } from './mat-writer.ts';

function parse(bytes: Buffer) {
  const read = async (position: number, length: number) => bytes.subarray(position, position + length);
  return readMat({ path: 'x.mat', size: bytes.length, read });
}

const field = fc.constantFrom('WNID', 'words', 'ILSVRC2012_ID', 'children');

const { value } = fc.letrec<{ value: MatValue; leaf: MatValue }>((tie) => ({
  leaf: fc.oneof(
    fc.string({ maxLength: 12 }).map((text) => ({ kind: 'text' as const, text })),
    fc
      .array(
        fc.oneof(
          fc.nat(70_000),
          fc.double({ noNaN: true }).filter((x) => !Object.is(x, -0)),
        ),
        { maxLength: 5 },
      )
      .map((values) => ({ kind: 'numbers' as const, shape: [1, values.length], values })),
  ),
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 3 },
    tie('leaf'),
    fc
      .array(tie('value'), { maxLength: 3 })
      .map((values) => ({ kind: 'cell' as const, shape: [values.length, 1], values })),
    fc
      .tuple(fc.uniqueArray(field, { minLength: 1 }), fc.integer({ min: 1, max: 3 }))
      .chain(([fields, count]) =>
        fc
          .array(fc.tuple(...fields.map(() => tie('value'))), { minLength: count, maxLength: count })
          .map((rows) => ({
            kind: 'struct' as const,
            shape: [count, 1],
            elements: rows.map((row) => new Map(fields.map((name, i) => [name, row[i]!]))),
          })),
      ),
  ),
}));
const options: fc.Arbitrary<MatOptions> = fc.record({
  compress: fc.boolean(),
  bigEndian: fc.boolean(),
  storage: fc.constantFrom('double', 'smallest'),
});

describe('readMat', () => {
  it('returns the written values, compressed or not, in either byte order', async () => {
    await fc.assert(
      fc.asyncProperty(value, value, options, async (a, b, how) => {
        assert.deepEqual(await parse(mat({ a, b }, how)), new Map(Object.entries({ a, b })));
      }),
    );
  });

  it('refuses truncated files, or returns only what is complete', async () => {
    await fc.assert(
      fc.asyncProperty(value, options, fc.double({ min: 0, max: 1, noNaN: true }), async (a, how, part) => {
        const whole = mat({ a }, how);
        const short = whole.subarray(0, Math.floor(part * (whole.length - 1)));
        try {
          const parsed = await parse(short);
          // Without the last padding, or all of the variable, nothing is wrong.
          if (parsed.size > 0) assert.deepEqual(parsed.get('a'), a);
          else assert.equal(short.length, 128);
        } catch (error) {
          userError(/^x\.mat is not a complete MATLAB 5 file \(.*\); download it again$/)(error);
        }
      }),
    );
  });

  it('throws nothing but a UserError for damaged files', async () => {
    await fc.assert(
      fc.asyncProperty(
        value,
        options,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        async (a, how, damage) => {
          const bytes = mat({ a }, how);
          for (const [at, byte] of damage) bytes[at % bytes.length] = byte;
          try {
            await parse(bytes);
          } catch (error) {
            userError()(error);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('skips unknown elements', async () => {
    const bytes = mat({ sparse: { kind: 'other' }, n: { kind: 'numbers', shape: [1, 1], values: [7] } });
    assert.deepEqual((await parse(bytes)).get('n'), { kind: 'numbers', shape: [1, 1], values: [7] });
  });
});
