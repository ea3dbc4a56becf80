import sharp from 'sharp';

/** How many different images the clients send. */
const COUNT = 64;

/** JPEGs with something to decode: noise, blurred as photographs are. Smaller side `side`. */
export async function makeJpegs(side: number): Promise<Buffer[]> {
  const [width, height] = [Math.round((side * 4) / 3), side];
  return Promise.all(
    Array.from({ length: COUNT }, (_, seed) => {
      const pixels = new Uint8Array(width * height * 3);
      let state = seed + 1;
      for (let i = 0; i < pixels.length; i++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        pixels[i] = state >>> 24;
      }
      return sharp(pixels, { raw: { width, height, channels: 3 } })
        .blur(1.5)
        .jpeg({ quality: 90 })
        .toBuffer();
    }),
  );
}
