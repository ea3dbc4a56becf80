import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { projectFolder } from '../../../../src/core/project.ts';
import { resample, type Size, type Window } from '../../../../src/data/pixels/resample.ts';
import { resampleLater, resampleNow } from '../../../../src/data/pixels/rescale.ts';
import type { RgbImage } from '../../../../src/data/sources/image-source.ts';

interface Golden {
  readonly cases: readonly { readonly from: Pair; readonly to: Pair; readonly sha256: string }[];
}
type Pair = readonly [width: number, height: number];

/** Written by tools/golden_resample.py. */
const golden = JSON.parse(
  readFileSync(join(projectFolder, 'test/fixtures/golden-resample.json'), 'utf8'),
) as Golden;

/** The implementations: the specification, and both functions of the addon. */
const ways: Record<string, (image: RgbImage, size: Size, window?: Window) => RgbImage | Promise<RgbImage>> = {
  'in TypeScript': (image, { width, height }, window) => resample(image, width, height, window),
  'by the addon': resampleNow,
  'by the addon on another thread': resampleLater,
};

for (const [way, resampled] of Object.entries(ways)) {
  describe(`resampling ${way}`, () => {
    for (const { from, to, sha256 } of golden.cases) {
      it(`gives Pillow's pixels: ${from.join('×')} to ${to.join('×')}`, async () => {
        const { pixels } = await resampled(noise(...from), { width: to[0], height: to[1] });
        assert.equal(createHash('sha256').update(pixels).digest('hex'), sha256);
      });
    }

    it('gives a window the same pixels as the whole', async () => {
      await fc.assert(
        fc.asyncProperty(jobs(), async ({ image, size, window }) => {
          const whole = resample(image, size.width, size.height);
          const part = await resampled(image, size, window);
          assert.deepEqual([part.width, part.height], [window.width, window.height]);
          for (let y = 0; y < window.height; y++) {
            const from = ((window.top + y) * size.width + window.left) * 3;
            const row = part.pixels.subarray(y * window.width * 3, (y + 1) * window.width * 3);
            assert.deepEqual(row, whole.pixels.subarray(from, from + window.width * 3));
          }
        }),
      );
    });

    it('keeps a flat color, even white if rounded weights sum to more than 1', async () => {
      for (const value of [0, 201, 255]) {
        const pixels = new Uint8Array(4001 * 2 * 3).fill(value);
        for (const [width, height] of [
          [3, 1],
          [4001, 2],
          [5000, 21],
        ] as const) {
          const result = await resampled({ width: 4001, height: 2, pixels }, { width, height });
          assert.ok(result.pixels.every((byte) => byte === value));
        }
      }
    });
  });
}

describe('the image addon', () => {
  it('refuses an image that has fewer pixels than its size', () => {
    for (const [width, height] of [
      [8, 8],
      [0, 8],
      [8, 0],
    ] as const) {
      const image = { width, height, pixels: new Uint8Array(8 * 7 * 3) };
      assert.throws(() => resampleNow(image, { width: 4, height: 4 }), /fewer pixels/);
    }
  });

  it('refuses a window that is empty or reaches beyond the result', () => {
    const image = noise(8, 8);
    for (const window of [
      { left: 2, top: 0, width: 3, height: 1 },
      { left: 0, top: 4, width: 1, height: 1 },
      { left: 0, top: 0, width: 0, height: 1 },
    ]) {
      assert.throws(() => resampleNow(image, { width: 4, height: 4 }, window), /beyond the result/);
    }
  });
});

/** The image of tools/golden_resample.py. */
function noise(width: number, height: number): RgbImage {
  const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const word = (Math.imul(Math.imul(i, i), 2_654_435_761) + Math.imul(i, 40_503)) >>> 24;
    return word & 255;
  });
  return { width, height, pixels };
}

/** Images of up to 40 pixels a side, sizes that they may get, and windows of those. */
function jobs() {
  const extent = fc.integer({ min: 1, max: 40 });
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  return fc
    .tuple(extent, extent, extent, extent, fc.tuple(share, share, share, share), fc.integer())
    .map(([w, h, width, height, [l, t, r, b], seed]) => {
      const left = Math.floor(l * width);
      const top = Math.floor(t * height);
      const pixels = Uint8Array.from({ length: w * h * 3 }, (_, i) => Math.imul(i + 1, seed | 1) >>> 11);
      return {
        image: { width: w, height: h, pixels },
        size: { width, height },
        window: {
          left,
          top,
          width: 1 + Math.floor(r * (width - left)),
          height: 1 + Math.floor(b * (height - top)),
        },
      };
    });
}
