import sharp from 'sharp';
import type { Network } from '../net/network.ts';

const COLUMNS = 16;
/** Pixels per weight. */
const ZOOM = 8;
/** Weights between two filters. */
const GAP = 1;

/**
 * conv1_1's filters side by side as a PNG, each scaled to its own range.
 * @param weights `[out, 3, k, k]`
 */
export async function filterPicture(weights: Float32Array, { layers }: Network): Promise<Uint8Array> {
  const [first] = layers;
  if (first?.kind !== 'convolution') throw new RangeError('the network does not start with a convolution');
  const { outChannels, kernel } = first;
  const columns = Math.min(COLUMNS, outChannels);
  const rows = Math.ceil(outChannels / columns);
  const cell = kernel + GAP;
  const [width, height] = [columns * cell + GAP, rows * cell + GAP];
  const pixels = new Uint8Array(3 * width * height).fill(255);
  for (let filter = 0; filter < outChannels; filter++) {
    const left = GAP + (filter % columns) * cell;
    const top = GAP + Math.floor(filter / columns) * cell;
    const own = weights.subarray(filter * 3 * kernel ** 2, (filter + 1) * 3 * kernel ** 2);
    drawFilter(own, kernel, (x, y, channel, value) => {
      pixels[3 * ((top + y) * width + left + x) + channel] = value;
    });
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .resize(width * ZOOM, height * ZOOM, { kernel: 'nearest' })
    .png()
    .toBuffer();
}

function drawFilter(
  weights: Float32Array,
  kernel: number,
  put: (x: number, y: number, channel: number, value: number) => void,
): void {
  const least = weights.reduce((a, b) => Math.min(a, b));
  const range = weights.reduce((a, b) => Math.max(a, b)) - least || 1;
  for (let channel = 0; channel < 3; channel++) {
    for (let y = 0; y < kernel; y++) {
      for (let x = 0; x < kernel; x++) {
        const weight = weights[(channel * kernel + y) * kernel + x]!;
        put(x, y, channel, Math.round((255 * (weight - least)) / range));
      }
    }
  }
}
