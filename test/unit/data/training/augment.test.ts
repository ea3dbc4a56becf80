import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { deriveKeys, keyOfSeed, RandomStream } from '../../../../src/core/random.ts';
import { centerCrop, imagePlanes, writeCrop, writeWindow } from '../../../../src/data/pixels/crop.ts';
import { Augmentation, type AugmentationOptions } from '../../../../src/data/training/augment.ts';
import { drawColorShift } from '../../../../src/data/training/color-shift.ts';
import { pattern } from '../../../support/images.ts';
import { ascending, pluck, range } from '../../../support/lists.ts';
import { userError } from '../../../support/refused.ts';

const axes = {
  directions: [
    [0.6, 0.8, 0],
    [-0.8, 0.6, 0],
    [0, 0, 1],
  ],
  deviations: [100, 30, 10],
} as const;
const jittered: AugmentationOptions = {
  seed: 3,
  crop: 224,
  scale: { min: 256, max: 512 },
  randomCrop: true,
  flip: true,
  colorShift: axes,
};

describe('Augmentation', () => {
  it('draws scales and crops within bounds, reaching the bounds', () => {
    const augmentation = new Augmentation({ ...jittered, crop: 6, scale: { min: 8, max: 10 } });
    const scales = range(500).map((image) => augmentation.scale(1, image));
    const crops = range(500).map((image) => augmentation.crop(1, image, 9, 8));
    assert.deepEqual(ascending(new Set(scales)), [8, 9, 10]);
    assert.deepEqual(ascending(new Set(pluck(crops, 'left'))), [0, 1, 2, 3]);
    assert.deepEqual(ascending(new Set(pluck(crops, 'top'))), [0, 1, 2]);
    assert.equal(new Set(pluck(crops, 'flip')).size, 2);
  });

  it('takes the center crop without randomCrop, with the same flips', () => {
    const centered = new Augmentation({ ...jittered, randomCrop: false });
    const random = new Augmentation(jittered);
    for (let image = 0; image < 20; image++) {
      const { flip } = random.crop(2, image, 400, 300);
      assert.deepEqual(centered.crop(2, image, 400, 300), { left: 88, top: 38, size: 224, flip });
    }
  });

  it('never draws a crop beyond the image', () => {
    const extent = fc.integer({ min: 5, max: 600 });
    fc.assert(
      fc.property(extent, extent, fc.nat(1e6), fc.nat(1e7), (width, height, epoch, image) => {
        const augmentation = new Augmentation({ ...jittered, crop: 5, scale: { min: 5, max: 5 } });
        const { left, top, size } = augmentation.crop(epoch, image, width, height);
        assert.ok(left >= 0 && top >= 0 && left + size <= width && top + size <= height);
      }),
    );
  });

  it('does not change any other draw when an ingredient is turned off', () => {
    const all = new Augmentation(jittered);
    const plain = new Augmentation({ ...jittered, flip: false, colorShift: undefined });
    const fixed = new Augmentation({ ...jittered, scale: { min: 256, max: 256 } });
    let flips = 0;
    for (let image = 0; image < 50; image++) {
      const { flip, ...position } = all.crop(7, image, 400, 300);
      flips += Number(flip);
      assert.deepEqual(plain.crop(7, image, 400, 300), { ...position, flip: false });
      assert.equal(plain.scale(7, image), all.scale(7, image));
      assert.deepEqual(plain.shift(7, image), [0, 0, 0]);
      assert.deepEqual(fixed.crop(7, image, 400, 300), { ...position, flip });
      assert.deepEqual(fixed.shift(7, image), all.shift(7, image));
    }
    assert.ok(flips > 10 && flips < 40);
  });

  it('depends on seed, epoch and image, not on earlier draws', () => {
    const one = new Augmentation(jittered);
    const forward = [0, 1, 2].map((epoch) => one.scale(epoch, 5));
    const other = new Augmentation(jittered);
    assert.deepEqual([2, 1, 0].map((epoch) => other.scale(epoch, 5)).reverse(), forward);
    const scales = (change: Partial<AugmentationOptions>, epoch: number) =>
      range(20).map((image) => new Augmentation({ ...jittered, ...change }).scale(epoch, image));
    assert.notDeepEqual(scales({}, 0), scales({}, 1));
    assert.notDeepEqual(scales({}, 0), scales({ seed: 4 }, 0));
  });

  it('refuses a crop that does not fit', () => {
    const refused = (change: Partial<AugmentationOptions>, message: RegExp) =>
      assert.throws(() => new Augmentation({ ...jittered, ...change }), userError(message));
    refused({ scale: { min: 200, max: 300 } }, /crop of 224 does not fit into images of scale 200/);
    refused({ scale: { min: 300, max: 256 } }, /scale 300\.\.256 is empty/);
    refused({ crop: 0 }, /crop of 0/);
  });
});

describe('drawColorShift', () => {
  it('has the deviation 0.1 λ along each principal axis and no mean', () => {
    const random = new RandomStream(deriveKeys(keyOfSeed(1), 'test'));
    const count = 20_000;
    const squares = [0, 0, 0];
    const sums = [0, 0, 0];
    for (let i = 0; i < count; i++) {
      const shift = drawColorShift(axes, random);
      axes.directions.forEach((direction, axis) => {
        const along = direction[0] * shift[0] + direction[1] * shift[1] + direction[2] * shift[2];
        sums[axis]! += along;
        squares[axis]! += along ** 2;
      });
    }
    axes.deviations.forEach((deviation, axis) => {
      const expected = 0.1 * deviation;
      assert.ok(Math.abs(Math.sqrt(squares[axis]! / count) / expected - 1) < 0.03);
      assert.ok(Math.abs(sums[axis]! / count) < 0.03 * expected);
    });
  });
});

describe('writeCrop', () => {
  const image = pattern(9, 7);
  const at = (x: number, y: number, channel: number): number => image.pixels[(y * 9 + x) * 3 + channel]!;

  it('writes planes of pixels minus the mean, at an offset, mirrored or not', () => {
    for (const flip of [false, true]) {
      const output = new Float32Array(5 + 3 * 16 + 2).fill(-1);
      writeCrop(image, { left: 3, top: 2, size: 4, flip }, [1, 2.5, 3], output, 5);
      for (let channel = 0; channel < 3; channel++) {
        for (let i = 0; i < 16; i++) {
          const x = 3 + (flip ? 3 - (i % 4) : i % 4);
          const expected = at(x, 2 + Math.floor(i / 4), channel) - [1, 2.5, 3][channel]!;
          assert.equal(output[5 + channel * 16 + i], expected);
        }
      }
      assert.deepEqual([...output.subarray(0, 5), ...output.subarray(53)], [-1, -1, -1, -1, -1, -1, -1]);
    }
  });

  it('refuses a crop that reaches beyond the image', () => {
    const output = new Float32Array(3 * 49);
    for (const [left, top, size] of [
      [-1, 0, 4],
      [0, -1, 4],
      [6, 0, 4],
      [0, 4, 4],
      [0, 0, 8],
    ] as const) {
      const crop = { left, top, size, flip: false };
      assert.throws(() => writeCrop(image, crop, [0, 0, 0], output, 0), RangeError);
    }
  });

  it('agrees with the whole image and its windows', () => {
    const subtract = [10, 20, 30] as const;
    const planes = imagePlanes(image, subtract);
    assert.equal(planes.length, 3 * 63);
    assert.equal(planes[63 + 9 * 2 + 7], at(7, 2, 1) - 20);
    const mirrored = new Float32Array(3 * 4 * 2);
    writeWindow(image, { left: 3, top: 1, width: 4, height: 2 }, true, subtract, mirrored, 0);
    assert.equal(mirrored[8 + 4 + 1], at(5, 2, 1) - 20);
  });
});

describe('centerCrop', () => {
  it("starts at the nearest even pixel from a half with torchvision's rounding", () => {
    // int(round((extent - 224) / 2)) in Python
    for (const [extent, start] of [
      [341, 58],
      [343, 60],
      [342, 59],
      [345, 60],
      [224, 0],
    ] as const) {
      const { left, top } = centerCrop(extent, 224, 224, { rounding: 'torchvision' });
      assert.deepEqual([left, top], [start, 0], `${extent}`);
    }
  });

  it('leaves equal margins on both sides, within a pixel', () => {
    fc.assert(
      fc.property(fc.integer({ min: 224, max: 999 }), fc.integer({ min: 224, max: 999 }), (width, height) => {
        const { left, top } = centerCrop(width, height, 224);
        assert.ok([0, 1].includes(width - 224 - 2 * left));
        assert.ok([0, 1].includes(height - 224 - 2 * top));
      }),
    );
  });
});
