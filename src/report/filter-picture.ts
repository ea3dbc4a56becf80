import sharp from 'sharp';
import type { Network } from '../net/network.ts';

const COLUMNS = 16;
/** Pixels per weight. */
const ZOOM = 8;
/** Weights between two filters. */
const GAP = 1;

/**
 * The filters of conv1_1 side by side as a PNG, each scaled to its range.
 * @param weights `[out, 3, k, k]`
 */
export async function filterPicture(weights: Float32Array, { layers }: Network): Promise<Uint8Array> {
  const [first] = layers;
  if (first?.kind !== 'convolution') throw new RangeError('the network does not start with a convolution');
  const { outChannels, kernel } = first;
  const area = kernel ** 2;
  const columns = Math.min(COLUMNS, outChannels);
  const cell = kernel + GAP;
  const [width, height] = [columns * cell + GAP, Math.ceil(outChannels / columns) * cell + GAP];
  const pixels = new Uint8Array(3 * width * height).fill(255);
  for (let filter = 0; filter < outChannels; filter++) {
    const left = GAP + (filter % columns) * cell;
    const top = GAP + Math.floor(filter / columns) * cell;
    const own = weights.subarray(filter * 3 * area, (filter + 1) * 3 * area);
    const least = own.reduce((a, b) => Math.min(a, b));
    const range = own.reduce((a, b) => Math.max(a, b)) - least || 1;
    own.forEach((weight, i) => {
      const [channel, y, x] = [Math.floor(i / area), Math.floor((i % area) / kernel), i % kernel];
      pixels[3 * ((top + y) * width + left + x) + channel] = Math.round((255 * (weight - least)) / range);
    });
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(width * ZOOM, height * ZOOM, { kernel: 'nearest' })
    .png()
    .toBuffer();
}
