/** What the network is applied to (paper, 3.2): the rescaled image for dense evaluation, or crops of it. */
import type { Rounding } from '../../core/image-preparation.ts';
import type { Rgb } from '../../core/shape.ts';
import { writeCrop, writeWindow } from '../../data/pixels/crop.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { Network } from '../../net/network.ts';
import type { BatchItem } from '../inference/batcher.ts';
import { centerCrops, gridCrops } from './crop-grid.ts';
import { denseWindow } from './dense-score-map.ts';
import type { SingleProtocol } from './protocol.ts';

interface InputOptions {
  readonly network: Pick<Network, 'crop' | 'layers'>;
  /** Of the position of the center crop (default `nearest`). */
  readonly rounding?: Rounding;
  /** Mean RGB, 0–255, subtracted from every pixel. */
  readonly mean: Rgb;
  /** Whether the image, or each crop, is followed by its mirror image. */
  readonly flip: boolean;
}

/** @param image already rescaled */
export function protocolInputs(
  protocol: SingleProtocol,
  image: RgbImage,
  options: InputOptions,
): BatchItem[] {
  return protocol === 'dense' ? denseInputs(image, options) : cropInputs(protocol, image, options);
}

function denseInputs(image: RgbImage, { network, mean, flip }: InputOptions): BatchItem[] {
  const window = denseWindow(network.layers, image);
  const { width, height } = window;
  // The window of the mirror image, which differs by a pixel if the window cannot be exactly centered.
  const opposite = { ...window, left: image.width - window.left - width };
  return (flip ? [false, true] : [false]).map((mirrored) => ({
    shape: [3, height, width],
    write: (input, offset) => writeWindow(image, mirrored ? opposite : window, mirrored, mean, input, offset),
  }));
}

/** Crops at the same position are one and the same item: an image hardly larger than a crop has many of them. */
function cropInputs(
  protocol: 'center' | 'crops',
  image: RgbImage,
  { network: { crop: size }, mean, flip, rounding }: InputOptions,
): BatchItem[] {
  const crops =
    protocol === 'crops' ? gridCrops(image, size, flip) : centerCrops(image, size, flip, rounding);
  const items = new Map<string, BatchItem>();
  return crops.map((crop) => {
    const position = `${crop.left},${crop.top},${crop.flip}`;
    const item: BatchItem = items.get(position) ?? {
      shape: [3, size, size],
      write: (input, offset) => writeCrop(image, crop, mean, input, offset),
    };
    items.set(position, item);
    return item;
  });
}
