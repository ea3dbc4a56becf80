import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rescaledSize } from '../../../../src/data/pixels/resample.ts';
import { rescaleImage } from '../../../../src/data/pixels/rescale.ts';
import type { RgbImage } from '../../../../src/data/sources/image-source.ts';
import { pattern } from '../../../support/images.ts';
import { refused } from '../../../support/refused.ts';

const side = fc.integer({ min: 1, max: 4000 });

describe('rescaledSize', () => {
  it('makes the smaller side S and keeps the aspect ratio within half a pixel', () => {
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 1024 }), (width, height, S) => {
        const size = rescaledSize(width, height, S);
        assert.equal(Math.min(size.width, size.height), S);
        const ideal = (Math.max(width, height) * S) / Math.min(width, height);
        assert.ok(Math.abs(Math.max(size.width, size.height) - ideal) <= 0.5);
        assert.equal(size.width >= size.height, width >= height || size.width === size.height);
      }),
    );
  });

  it('treats width and height alike, and keeps a size that fits', () => {
    fc.assert(
      fc.property(side, side, fc.integer({ min: 1, max: 1024 }), (width, height, S) => {
        const { width: w, height: h } = rescaledSize(width, height, S);
        assert.deepEqual(rescaledSize(height, width, S), { width: h, height: w });
        assert.deepEqual(rescaledSize(w, h, S), { width: w, height: h });
      }),
    );
  });

  it("rounds down with torchvision's rounding", () => {
    // 500 · 256 / 333 = 384.4 and 500 · 256 / 375 = 341.3; 640 · 256 / 427 = 383.7
    assert.deepEqual(rescaledSize(500, 333, 256, 'torchvision'), { width: 384, height: 256 });
    assert.deepEqual(rescaledSize(427, 640, 256, 'torchvision'), { width: 256, height: 383 });
    assert.deepEqual(rescaledSize(427, 640, 256), { width: 256, height: 384 });
  });

  it('gives the sizes of the paper and of long strips', () => {
    assert.deepEqual(rescaledSize(500, 375, 256), { width: 341, height: 256 });
    assert.deepEqual(rescaledSize(375, 500, 384), { width: 384, height: 512 });
    assert.deepEqual(rescaledSize(1, 1, 256), { width: 256, height: 256 });
    assert.deepEqual(rescaledSize(20, 400, 256), { width: 256, height: 5120 });
  });
});

describe('rescaleImage', () => {
  const sizes: [number, number, number][] = [
    [28, 28, 32],
    [64, 48, 20],
    [300, 200, 256],
    [500, 375, 256],
    [1000, 700, 128],
    [40, 800, 48],
    [1, 1, 64],
  ];
  for (const [width, height, S] of sizes) {
    it(`keeps the content of an image: ${width}×${height} at ${S}`, async () => {
      const scaled = await rescaleImage(pattern(width, height), S, 'x');
      const size = rescaledSize(width, height, S);
      assert.deepEqual([scaled.width, scaled.height], [size.width, size.height]);
      // The pattern is a plane over the image; rescaled, it is the same plane except for the outermost pixels.
      const expected = pattern(size.width, size.height);
      const rim = Math.ceil(S / Math.min(width, height)) + 1;
      assert.ok(differenceWithin(scaled, expected, rim) <= 2 + 200 / Math.min(width, height, S));
    });
  }

  it('commutes with mirroring', async () => {
    for (const [width, height, S] of sizes) {
      const image = pattern(width, height);
      const one = mirrored(await rescaleImage(image, S, 'x'));
      const other = await rescaleImage(mirrored(image), S, 'x');
      assert.ok(differenceWithin(one, other, 0) <= 1, `${width}×${height} at ${S}`);
    }
  });

  it('averages when it shrinks: a fine checkerboard turns gray', async () => {
    for (const extent of [64, 512]) {
      const pixels = Uint8Array.from({ length: extent * extent * 3 }, (_, i) => {
        const pixel = Math.floor(i / 3);
        return (pixel + Math.floor(pixel / extent)) % 2 ? 255 : 0;
      });
      const scaled = await rescaleImage({ width: extent, height: extent, pixels }, extent / 4, 'x');
      const inner = scaled.pixels.subarray(3 * extent, -3 * extent);
      const [least, most] = [Math.min(...inner), Math.max(...inner)];
      assert.ok(least >= 127.5 - 9 && most <= 127.5 + 9, `${least} to ${most}`);
    }
  });

  it('refuses to make an enormous image of a thin one', async () => {
    const strip = { width: 1, height: 100_000, pixels: new Uint8Array(300_000) };
    await refused(rescaleImage(strip, 256, 'strip.png'), /^strip\.png \(1×100000\) would have/);
  });
});

function differenceWithin(a: RgbImage, b: RgbImage, rim: number): number {
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  let most = 0;
  for (let y = rim; y < a.height - rim; y++) {
    for (let i = (y * a.width + rim) * 3; i < (y * a.width + a.width - rim) * 3; i++) {
      most = Math.max(most, Math.abs(a.pixels[i]! - b.pixels[i]!));
    }
  }
  return most;
}

function mirrored(image: RgbImage): RgbImage {
  const pixels = new Uint8Array(image.pixels.length);
  for (let i = 0; i < image.width * image.height; i++) {
    const x = i % image.width;
    const from = (i - x + image.width - 1 - x) * 3;
    pixels.set(image.pixels.subarray(from, from + 3), 3 * i);
  }
  return { ...image, pixels };
}
