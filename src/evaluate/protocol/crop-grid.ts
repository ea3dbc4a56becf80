/** The crops of a rescaled image that testing uses: the center crop, or a 5×5 regular grid (paper, 3.2). */
import type { Rounding } from '../../core/image-preparation.ts';
import { type Crop, centerCrop } from '../../data/pixels/crop.ts';
import type { Size } from '../../data/pixels/resample.ts';

/** Crops along each side. */
const GRID = 5;

/**
 * Where the grid's crops start along one side: i · (extent − crop) / 4 for i from 0 to 4, rounded to whole pixels,
 * halves up. The first crop touches one edge and the last crop the other.
 * @throws RangeError when the crop does not fit.
 */
export function gridPositions(extent: number, crop: number): number[] {
  if (crop > extent) throw new RangeError(`a crop of ${crop} does not fit into ${extent}`);
  return Array.from({ length: GRID }, (_, i) => Math.round((i * (extent - crop)) / (GRID - 1)));
}

/** The 25 crops of the grid, row by row. With `flip` each is followed by its mirror image: 50. */
export function gridCrops({ width, height }: Size, size: number, flip: boolean): Crop[] {
  const lefts = gridPositions(width, size);
  return gridPositions(height, size).flatMap((top) =>
    lefts.flatMap((left) => withMirrorImage({ left, top, size, flip: false }, flip)),
  );
}

/** The center crop, followed by its mirror image with `flip`. */
export function centerCrops(
  { width, height }: Size,
  size: number,
  flip: boolean,
  rounding?: Rounding,
): Crop[] {
  return withMirrorImage(centerCrop(width, height, size, { rounding }), flip);
}

function withMirrorImage(crop: Crop, flip: boolean): Crop[] {
  return flip ? [crop, { ...crop, flip: true }] : [crop];
}
