import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import sharp from 'sharp';
import { projectFolder } from '../../../../src/core/project.ts';
import { decodeImage } from '../../../../src/data/pixels/decode.ts';
import { imageExtension } from '../../../../src/data/pixels/image-formats.ts';
import { rescaleImage } from '../../../../src/data/pixels/rescale.ts';

import type { RgbImage } from '../../../../src/data/sources/image-source.ts';
import { hugePng, jpeg, pattern, png, toSharp } from '../../../support/images.ts';
import { refused, userError } from '../../../support/refused.ts';

/** The largest difference of any value. */
function difference(actual: RgbImage, expected: RgbImage): number {
  assert.deepEqual([actual.width, actual.height], [expected.width, expected.height]);
  assert.equal(actual.pixels.length, expected.pixels.length);
  return actual.pixels.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.pixels[i]!)), 0);
}

/** Written by tools/golden_color.py: images with color profiles or in CMYK, and the SHA-256 of Pillow's pixels. */
const colors = join(projectFolder, 'test/fixtures/color');
const golden: { sha256: Record<string, string> } = JSON.parse(
  readFileSync(join(colors, 'golden.json'), 'utf8'),
);

describe('decodeImage', () => {
  it('returns the exact pixels of lossless formats', async () => {
    const image = pattern(23, 17);
    for (const bytes of [
      await toSharp(image).png().toBuffer(),
      await toSharp(image).webp({ lossless: true }).toBuffer(),
    ]) {
      assert.equal(difference(await decodeImage(bytes, 'x'), image), 0);
    }
  });

  it('comes close for JPEG', async () => {
    assert.ok(difference(await decodeImage(await jpeg(40, 30), 'x.jpg'), pattern(40, 30)) <= 6);
  });

  it('leaves out detail of a much larger JPEG, which makes no difference after rescaling', async () => {
    const photo = await toSharp(pattern(1201, 1607))
      .jpeg({ quality: 98 })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const whole = await decodeImage(photo, 'x.jpg');
    const shrunk = await decodeImage(photo, 'x.jpg', { largestSide: 100 });
    assert.deepEqual([shrunk.width, shrunk.height], [268, 200]);
    assert.deepEqual(shrunk.original, { width: whole.width, height: whole.height });
    for (const side of [100, 64, 37]) {
      const [a, b] = [await rescaleImage(whole, side, 'x'), await rescaleImage(shrunk, side, 'x')];
      assert.ok(difference(b, a) <= 2, `${side}: ${difference(b, a)}`);
    }
    assert.ok(photo.length > 100_000);
    const larger = await decodeImage(photo, 'x.jpg', { largestSide: 201 });
    assert.equal(difference(larger, whole), 0, 'less than six times as large');
  });

  for (const [name, sha256] of Object.entries(golden.sha256)) {
    it(`has Pillow's pixels: ${name}`, async () => {
      const bytes = readFileSync(join(colors, name));
      const { pixels } = await decodeImage(bytes, name);
      assert.equal(createHash('sha256').update(pixels).digest('hex'), sha256);
      const converted = await decodeImage(bytes, name, { colorProfiles: 'convert' });
      assert.equal(difference(converted, { ...converted, pixels }) > 50, name.startsWith('profile'));
    });
  }

  it('copies gray to three channels', async () => {
    const gray = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
    const raw = sharp(gray, { raw: { width: 4, height: 3, channels: 1 } }).toColourspace('b-w');
    const image = await decodeImage(await raw.png().toBuffer(), 'gray.png');
    const tripled = [...gray].flatMap((value) => [value, value, value]);
    assert.deepEqual([...image.pixels], tripled);
    const lossy = await decodeImage(await raw.jpeg({ quality: 100 }).toBuffer(), 'gray.jpg');
    assert.equal(lossy.pixels.length, 36);
  });

  it('replaces transparency by white', async () => {
    const rgba = Uint8Array.from([200, 100, 0, 0, 200, 100, 0, 255, 0, 0, 0, 128]);
    const bytes = await sharp(rgba, { raw: { width: 3, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const { pixels } = await decodeImage(bytes, 'alpha.png');
    assert.deepEqual([...pixels.subarray(0, 6)], [255, 255, 255, 200, 100, 0]);
    for (const value of pixels.subarray(6)) assert.ok(Math.abs(value - 127) <= 1);
  });

  it('reduces 16 bits to 8', async () => {
    const deep = Uint16Array.from([0, 65535, 0x8000, 0x1234, 0x00ff, 0xff00]);
    const bytes = await sharp(deep, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    assert.equal((await sharp(bytes).metadata()).depth, 'ushort');
    const { pixels } = await decodeImage(bytes, 'deep.png');
    pixels.forEach((value, i) => {
      assert.ok(Math.abs(value - deep[i]! / 257) <= 1, `${value} of ${deep[i]}`);
    });
  });

  it('converts CMYK JPEG to RGB', async () => {
    const bytes = await toSharp(pattern(32, 32)).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    assert.equal((await sharp(bytes).metadata()).space, 'cmyk');
    const image = await decodeImage(bytes, 'cmyk.jpg');
    assert.deepEqual([image.width, image.height, image.pixels.length], [32, 32, 32 * 32 * 3]);
    assert.ok(image.pixels[3 * 31]! > image.pixels[0]! + 80, 'red still grows to the right');
  });

  for (let orientation = 1; orientation <= 8; orientation++) {
    it(`turns EXIF orientation ${orientation} upright`, async () => {
      const upright = pattern(12, 8);
      const stored = toSharp(asStored(upright, orientation)).withMetadata({ orientation });
      const lossless = await stored.clone().png().toBuffer();
      assert.equal(difference(await decodeImage(lossless, 'turned.png'), upright), 0);
      const lossy = await stored.jpeg({ quality: 98, chromaSubsampling: '4:4:4' }).toBuffer();
      assert.ok(difference(await decodeImage(lossy, 'turned.jpg'), upright) <= 8);
    });
  }

  it('decodes AVIF', async () => {
    const bytes = await toSharp(pattern(32, 24)).avif({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
    assert.equal(imageExtension(bytes), 'avif');
    assert.ok(difference(await decodeImage(bytes, 'a.avif'), pattern(32, 24)) <= 12);
  });

  it('works for an image of one pixel', async () => {
    const image = await decodeImage(await png(1, 1), 'dot.png');
    assert.deepEqual([image.width, image.height, image.pixels.length], [1, 1, 3]);
  });
});

describe('decodeImage refuses', () => {
  const refuses = (bytes: Uint8Array, message: RegExp, options = {}) =>
    refused(decodeImage(bytes, 'dir/bad.jpg', options), /^dir\/bad\.jpg /, message);

  it('an empty file', () => refuses(new Uint8Array(0), /empty file; replace or delete it/));

  it('text', () =>
    refuses(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /not a JPEG, PNG, WebP or AVIF image/));

  it('other kinds of images that libvips knows', async () => {
    const heic = Buffer.from('\0\0\0\x18ftypmif1\0\0\0\0mif1heic', 'latin1');
    for (const [bytes, format] of [
      [await toSharp(pattern(4, 4)).gif().toBuffer(), 'GIF'],
      [await toSharp(pattern(4, 4)).tiff().toBuffer(), 'TIFF'],
      [heic, 'HEIC'],
    ] as const) {
      const message = `is a ${format} image, not a JPEG, PNG, WebP or AVIF image; convert it`;
      await refuses(bytes, new RegExp(message));
    }
  });

  it('images that end early, unless no pixel is lost', async () => {
    const noisy = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 7 + i * 31) % 256);
    const raw = toSharp({ width: 64, height: 64, pixels: noisy });
    const kinds = {
      jpeg: await raw.jpeg().toBuffer(),
      progressive: await raw.jpeg({ progressive: true }).toBuffer(),
      png: await raw.png().toBuffer(),
      webp: await raw.webp().toBuffer(),
    };
    for (const [kind, whole] of Object.entries(kinds)) {
      const pixels = (await decodeImage(whole, 'whole')).pixels;
      for (const cut of [1, 2, 8, 20, 100, Math.floor(whole.length / 2), whole.length - 13]) {
        const short = decodeImage(whole.subarray(0, whole.length - cut), 'short.jpg');
        // A JPEG is complete without its end marker, a PNG without its IEND chunk of 12 bytes.
        if (cut < 12) await short.then((image) => assert.deepEqual(image.pixels, pixels), userError());
        else await assert.rejects(short, userError(), `${kind} less ${cut} bytes`);
      }
    }
  });

  it('a JPEG with damage in the middle, but not stray bytes that lose nothing', async () => {
    const noisy = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * i * 7 + i * 31) % 251);
    const whole = await toSharp({ width: 64, height: 64, pixels: noisy }).jpeg().toBuffer();
    // A marker among the compressed data: what follows it is lost.
    const middle = whole.length >> 1;
    const damaged = Buffer.from(whole).fill(Buffer.from([0xff, 0xd9]), middle, middle + 2);
    await refuses(damaged, /is damaged and cannot be decoded \(.*\); replace or delete it/);
    const end = whole.length - 2;
    const stray = Buffer.concat([whole.subarray(0, end), Buffer.from([1, 2, 3]), whole.subarray(end)]);
    assert.deepEqual(await decodeImage(stray, 'x'), await decodeImage(whole, 'x'));
  });

  it('an image of more pixels than the limit, before it is decoded', async () => {
    await refuses(hugePng(30_000, 30_000), /more than 100,000,000 pixels, the limit; .*--max-pixels/);
    await refuses(await png(11, 10), /more than 100 pixels/, { maxPixels: 100 });
    assert.equal((await decodeImage(await png(10, 10), 'x', { maxPixels: 100 })).width, 10);
  });
});

/** Mirrors and turns the image so that applying the orientation restores it. */
function asStored(image: RgbImage, orientation: number): RgbImage {
  const turned = orientation >= 5;
  const [width, height] = turned ? [image.height, image.width] : [image.width, image.height];
  const pixels = new Uint8Array(image.pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [ux, uy] = uprightPosition(orientation, x, y, image.width, image.height);
      const from = (uy * image.width + ux) * 3;
      pixels.set(image.pixels.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, pixels };
}

/** EXIF 2.3, tag 274: which edge of the upright image row 0 and column 0 of the stored one are. */
function uprightPosition(orientation: number, x: number, y: number, w: number, h: number): [number, number] {
  const positions: [number, number][] = [
    [x, y],
    [w - 1 - x, y],
    [w - 1 - x, h - 1 - y],
    [x, h - 1 - y],
    [y, x],
    [w - 1 - y, x],
    [w - 1 - y, h - 1 - x],
    [y, h - 1 - x],
  ];
  return positions[orientation - 1]!;
}
