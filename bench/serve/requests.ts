import sharp from 'sharp';

/** `center`: one input for each image; `dense`: the image and its mirror image. */
export type LoadProtocol = 'center' | 'dense';

/** The requests that clients send. */
export interface Requests {
  readonly protocol: LoadProtocol;
  readonly path: string;
  readonly jpegs: readonly Buffer[];
  /** Network inputs for each image. */
  readonly inputs: number;
}

/** Number of different images. */
const COUNT = 64;

/**
 * @param protocol for `dense` the images are square, so that the server computes the same as `vgg bench`; otherwise they
 *   are a third wider
 * @param side the smaller side of the images in pixels
 */
export async function makeRequests(protocol: LoadProtocol, side: number): Promise<Requests> {
  return {
    protocol,
    path: `/v1/predict?protocol=${protocol}`,
    jpegs: await makeJpegs(protocol === 'dense' ? side : Math.round((side * 4) / 3), side),
    inputs: protocol === 'dense' ? 2 : 1,
  };
}

/** JPEGs that take some decoding: noise, blurred like photographs. */
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
