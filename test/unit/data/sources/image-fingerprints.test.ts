import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { decodeStored } from '../../../../src/data/pixels/decode.ts';
import {
  fingerprintImages,
  fingerprintOf,
  noteOriginal,
  packFingerprints,
  unpackFingerprints,
} from '../../../../src/data/sources/image-fingerprints.ts';
import { jpeg, pattern, png, sourceOf } from '../../../support/images.ts';

const encoded = (bytes: Uint8Array) => ({ kind: 'encoded', bytes }) as const;

describe('image fingerprints', () => {
  it('follow from the contents alone', async () => {
    const [one, other] = [await jpeg(30, 20, 1), await jpeg(30, 20, 2)];
    assert.equal(fingerprintOf(encoded(one)), fingerprintOf(encoded(Buffer.from(one))));
    assert.notEqual(fingerprintOf(encoded(one)), fingerprintOf(encoded(other)));
    const pixels = fingerprintOf({ kind: 'pixels', image: pattern(3, 4) });
    assert.notEqual(pixels, fingerprintOf({ kind: 'pixels', image: pattern(4, 3) }));
  });

  for (const [format, image] of [
    ['JPEG', jpeg],
    ['PNG', png],
  ] as const) {
    it(`of an original are carried by a ${format} whose pixels stay the same`, async () => {
      const bytes = await image(30, 20, 1);
      const noted = noteOriginal(bytes, '0123456789ab');
      assert.equal(fingerprintOf(encoded(noted)), '0123456789ab');
      const pixelsOf = async (bytes: Uint8Array) => (await decodeStored(encoded(bytes), 'image')).pixels;
      assert.deepEqual(await pixelsOf(noted), await pixelsOf(bytes));
      assert.deepEqual((await sharp(noted).raw().toBuffer()).length, 30 * 20 * 3);
    });
  }

  it('are read once, by any number of processes, and empty for an unreadable image', async () => {
    const source = sourceOf(5, async (index) => {
      if (index === 3) throw new Error('gone');
      return encoded(Buffer.from([index]));
    });
    const alone = await fingerprintImages(source);
    assert.equal(alone[3], '');
    assert.equal(new Set(alone).size, 5);
    const known = new Map([[0, 'ffffffffffff']]);
    assert.deepEqual(await fingerprintImages(source, { known }), ['ffffffffffff', ...alone.slice(1)]);
  });

  it('are packed without loss', () => {
    const some = ['0123456789ab', 'ffffffffffff', '000000000000', ''];
    assert.deepEqual(unpackFingerprints(packFingerprints(some)), new Set(some.slice(0, 3)));
    assert.deepEqual(unpackFingerprints(packFingerprints([])), new Set());
  });
});
