import sharp from 'sharp';

/** Of those that look at an image once and at it and its mirror image. */
export type LoadProtocol = 'center' | 'dense';

/** What clients ask. */
export interface Requests {
  readonly protocol: LoadProtocol;
  readonly path: string;
  readonly jpegs: readonly Buffer[];
  /** Inputs of the network that an image makes. */
  readonly views: number;
}

/** How many different images the clients send. */
const COUNT = 64;

/**
 * @param protocol dense, which is what a request without parameters gets, sees all of an image, and its mirror image:
 *   images are square then, so that what it computes is what `vgg bench` computes; else they are a third wider
 * @param side the smaller side of the images
 */
export async function makeRequests(protocol: LoadProtocol, side: number): Promise<Requests> {
  return {
    protocol,
    path: `/v1/predict?protocol=${protocol}`,
    jpegs: await makeJpegs(protocol === 'dense' ? side : Math.round((side * 4) / 3), side),
    views: protocol === 'dense' ? 2 : 1,
  };
}

/** JPEGs with something to decode: noise, blurred as photographs are. */
async function makeJpegs(width: number, height: number): Promise<Buffer[]> {
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
