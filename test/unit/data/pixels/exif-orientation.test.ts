import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exifOrientation } from '../../../../src/data/pixels/exif-orientation.ts';

interface Entry {
  readonly tag: number;
  readonly type: number;
  readonly count: number;
  readonly value: number;
}

/** An APP1 segment with one directory, its values 16 bits. */
function exif(entries: readonly Entry[], little: boolean, gap = 0): Uint8Array {
  const bytes = new Uint8Array(6 + 8 + gap + 2 + 12 * entries.length + 4);
  bytes.set(Buffer.from('Exif\0\0', 'latin1'));
  const tiff = new DataView(bytes.buffer, 6);
  tiff.setUint16(0, little ? 0x4949 : 0x4d4d);
  tiff.setUint16(2, 42, little);
  tiff.setUint32(4, 8 + gap, little);
  tiff.setUint16(8 + gap, entries.length, little);
  entries.forEach(({ tag, type, count, value }, i) => {
    const at = 10 + gap + 12 * i;
    tiff.setUint16(at, tag, little);
    tiff.setUint16(at + 2, type, little);
    tiff.setUint32(at + 4, count, little);
    tiff.setUint16(at + 8, value, little);
  });
  return bytes;
}

const others = fc.array(
  fc.record({
    tag: fc.integer({ min: 0x0113, max: 0xffff }),
    type: fc.integer({ min: 1, max: 12 }),
    count: fc.nat(),
    value: fc.nat(0xffff),
  }),
  { maxLength: 20 },
);

const orientation = (value: number): Entry => ({ tag: 0x0112, type: 3, count: 1, value });

describe('exifOrientation', () => {
  it('finds the orientation among other entries, in both byte orders', () => {
    fc.assert(
      fc.property(
        others,
        others,
        fc.integer({ min: 1, max: 8 }),
        fc.boolean(),
        fc.nat(50),
        (before, after, value, little, gap) => {
          const bytes = exif([...before, orientation(value), ...after], little, gap);
          assert.equal(exifOrientation(bytes), value);
          const without = exif([...before, ...after], little, gap);
          assert.equal(exifOrientation(without), 1, 'upright without an orientation');
        },
      ),
    );
  });

  it('does not guess when the segment is cut, the orientation occurs twice, or it is invalid', () => {
    const whole = exif([orientation(6)], true);
    const directoryEnd = whole.length - 4 - 2; // a SHORT leaves the last two bytes of its four unused
    for (let length = 0; length < directoryEnd; length++) {
      assert.equal(exifOrientation(whole.subarray(0, length)), undefined, `${length} bytes`);
    }
    assert.equal(exifOrientation(exif([orientation(6), orientation(6)], true)), undefined);
    for (const wrong of [{ type: 4 }, { count: 2 }, { value: 0 }, { value: 9 }]) {
      assert.equal(exifOrientation(exif([{ ...orientation(6), ...wrong }], false)), undefined);
    }
  });

  it('accepts any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, signed) => {
        if (signed) noise.set(Buffer.from('Exif\0\0MM', 'latin1').subarray(0, noise.length));
        const value = exifOrientation(noise);
        assert.ok(value === undefined || (value >= 1 && value <= 8));
      }),
    );
  });
});
