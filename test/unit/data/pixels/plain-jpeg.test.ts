import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import sharp, { type JpegOptions, type SharpOptions } from 'sharp';
import { grayToRgb } from '../../../../src/data/pixels/decode.ts';
import { imageAddon } from '../../../../src/data/pixels/image-addon.ts';
import { asPlainJpeg, decodePlainJpeg } from '../../../../src/data/pixels/plain-jpeg.ts';
import type { RgbImage } from '../../../../src/data/sources/image-source.ts';
import { jpeg, pattern, png, toSharp } from '../../../support/images.ts';
import { range } from '../../../support/lists.ts';

/** Noise, smoothed a little, so that all frequencies and colors occur. */
function noise(width: number, height: number, seed: number): RgbImage {
  const pixels = new Uint8Array(width * height * 3);
  let state = seed + 1;
  let last = 0;
  for (let i = 0; i < pixels.length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    last = (3 * last + (state >>> 24)) >> 2;
    pixels[i] = last;
  }
  return { width, height, pixels };
}

/** Decoded by sharp alone, which tolerates damage that loses no pixels. */
async function bySharp(bytes: Uint8Array, options: SharpOptions = {}): Promise<RgbImage> {
  const { data, info } = await sharp(bytes, { failOn: 'truncated', ...options })
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return { width, height, pixels: channels === 3 ? new Uint8Array(data) : grayToRgb(data) };
}

function noisyJpeg(width: number, height: number, seed: number, options?: JpegOptions): Promise<Buffer> {
  return toSharp(noise(width, height, seed))
    .jpeg(options)
    .toBuffer();
}

async function decoded(bytes: Uint8Array): Promise<RgbImage | undefined> {
  const plain = asPlainJpeg(bytes);
  return plain && decodePlainJpeg(plain);
}

const encodings: fc.Arbitrary<JpegOptions> = fc.record({
  quality: fc.integer({ min: 1, max: 100 }),
  progressive: fc.boolean(),
  chromaSubsampling: fc.constantFrom('4:4:4', '4:2:0'),
  optimiseCoding: fc.boolean(),
  trellisQuantisation: fc.boolean(),
  optimiseScans: fc.boolean(),
});

const skip = imageAddon()?.jpegHeader === undefined && 'built without libjpeg-turbo';

describe('a plain JPEG', { skip }, () => {
  it('has the same pixels as with sharp', async () => {
    const sides = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(sides, sides, encodings, fc.boolean(), fc.nat(99), async (w, h, how, gray, seed) => {
        const image = toSharp(noise(w, h, seed));
        const bytes = await (gray ? image.toColourspace('b-w') : image).jpeg(how).toBuffer();
        const pixels = await decoded(bytes);
        assert.ok(pixels, 'is plain');
        assert.deepEqual(pixels, await bySharp(bytes));
      }),
    );
  });

  it('has the same pixels when it is decoded on another thread', async () => {
    const many = await Promise.all(range(8).map((seed) => noisyJpeg(400 + seed, 300, seed)));
    const images = await Promise.all(many.map(decoded));
    for (const [i, bytes] of many.entries()) assert.deepEqual(images[i], await bySharp(bytes));
  });

  it('has its size before it is decoded', async () => {
    const { bytes: _, ...facts } = asPlainJpeg(await jpeg(31, 17))!;
    assert.deepEqual(facts, { width: 31, height: 17, progressive: false });
  });

  it('may have the Exif orientation upright, and no other', async () => {
    const bytes = await toSharp(pattern(20, 10))
      .jpeg()
      .withExif({ IFD0: { Copyright: 'nobody' } })
      .toBuffer();
    assert.deepEqual(await decoded(bytes), await bySharp(bytes));
    const orientation = bytes.indexOf('1201030001000000', 0, 'hex') + 8;
    assert.deepEqual([...bytes.subarray(orientation, orientation + 2)], [1, 0]);
    bytes[orientation] = 6;
    assert.equal(asPlainJpeg(bytes), undefined);
  });
});

describe('sharp decodes', () => {
  it('a color profile that is applied, but not one that is ignored', async () => {
    const bytes = await toSharp(pattern(20, 10)).jpeg().withIccProfile('p3').toBuffer();
    assert.equal(asPlainJpeg(bytes, 'convert'), undefined);
    const image = await decoded(bytes);
    assert.ok(image);
    assert.deepEqual(image, await bySharp(bytes, { ignoreIcc: true }));
  });

  const special: Record<string, () => Promise<Uint8Array>> = {
    CMYK: () => toSharp(pattern(20, 10)).toColourspace('cmyk').jpeg().toBuffer(),
    'another format': () => png(20, 10),
    'nothing at all': async () => new Uint8Array(0),
    'a header without end': async () => {
      const whole = await jpeg(20, 10);
      const comment = Buffer.alloc(300_000, Buffer.from('fffe0004aaaa', 'hex'));
      return Buffer.concat([whole.subarray(0, 2), comment, whole.subarray(2)]);
    },
    'a header that ends early': async () => (await jpeg(20, 10)).subarray(0, 100),
  };
  for (const [what, make] of Object.entries(special)) {
    it(what, async () => assert.equal(asPlainJpeg(await make()), undefined));
  }

  it('a progressive file with hundreds of passes', async () => {
    const whole = await noisyJpeg(64, 64, 1, { progressive: true, mozjpeg: true });
    const scans = (count: number) => repeatScan(whole, count);
    assert.deepEqual(await decoded(scans(20)), await decoded(whole), 'repeating changes nothing');
    assert.equal(await decoded(scans(200)), undefined);
  });

  it('any file whose damage loses pixels: others have the pixels of sharp', async () => {
    const files = [await noisyJpeg(20, 20, 7), await noisyJpeg(20, 20, 7, { progressive: true })];
    const damage = fc.record({
      file: fc.constantFrom(...files),
      at: fc.nat(999),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 2 }),
      cut: fc.boolean(),
    });
    let whole = 0;
    await fc.assert(
      fc.asyncProperty(damage, async ({ file, at, bytes, cut }) => {
        const place = Math.floor((at / 1000) * file.length);
        const broken = Buffer.from(cut ? file.subarray(0, place) : file);
        if (!cut) broken.set(bytes.subarray(0, file.length - place), place);
        const image = await decoded(broken);
        if (image === undefined) return;
        whole++;
        assert.deepEqual(image, await bySharp(broken));
      }),
      { numRuns: 1000 },
    );
    assert.ok(whole > 20, `${whole} were decoded anyway`);
  });
});

/** The same image, with a scan that has all bits of its coefficients repeated. */
function repeatScan(file: Uint8Array, count: number): Uint8Array {
  const bytes = Buffer.from(file);
  const isLast = (at: number) => bytes[at + 4 + 1 + 2 * bytes[at + 4]! + 2] === 0;
  for (let at = bytes.indexOf('ffda', 0, 'hex'); at >= 0; at = bytes.indexOf('ffda', at + 2, 'hex')) {
    const next = bytes.indexOf('ff', at + 2 + bytes.readUInt16BE(at + 2), 'hex');
    if (!isLast(at)) continue;
    let end = next;
    while (bytes[end + 1] === 0) end = bytes.indexOf('ff', end + 2, 'hex');
    const scan = bytes.subarray(at, end);
    const repeated = Array.from({ length: count }, () => scan);
    return Buffer.concat([bytes.subarray(0, end), ...repeated, bytes.subarray(end)]);
  }
  throw new Error('no scan has all bits');
}
