import { type Box, clippedBox } from '../../core/boxes.ts';
import { UserError } from '../../core/errors.ts';

/** Annotations count pixels from 0 or from 1, so that their last one may be one too far. */
const TOLERANCE = 1;

/**
 * The part of a box that is in its image.
 * @param place the file, and the line or object in it
 * @throws UserError when it is empty, or reaches beyond the image by more than a pixel
 */
export function boxInImage(
  box: Box,
  { width, height }: { readonly width: number; readonly height: number },
  place: string,
): Box {
  const { left, top, right, bottom } = box;
  const isInside =
    left >= -TOLERANCE && top >= -TOLERANCE && right <= width + TOLERANCE && bottom <= height + TOLERANCE;
  if (!isInside) {
    throw new UserError(
      `${place}: the box ${formatBox(box)} reaches beyond the image of ${width}×${height} pixels; correct the annotation, or remove it`,
    );
  }
  return clippedBox(box, width, height);
}

/** @throws UserError unless the corners are numbers, and the box has an area. */
export function checkBox(box: Box, place: string): Box {
  const { left, top, right, bottom } = box;
  if ([left, top, right, bottom].every(Number.isFinite) && left < right && top < bottom) return box;
  throw new UserError(`${place}: ${formatBox(box)} is not a box; give xmin ≤ xmax and ymin ≤ ymax in pixels`);
}

/** As annotations write it, pixels from 0: `(xmin, ymin, xmax, ymax)`. */
function formatBox({ left, top, right, bottom }: Box): string {
  return `(${left}, ${top}, ${right - 1}, ${bottom - 1})`;
}
