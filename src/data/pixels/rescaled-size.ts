/** The size of an image rescaled isotropically (paper, 3.1 and 3.2). */

export interface Size {
  readonly width: number;
  readonly height: number;
}

/**
 * The size after rescaling: the smaller side is exactly `side`, the other keeps the aspect ratio, rounded
 * to whole pixels (halves up).
 */
export function rescaledSize(width: number, height: number, side: number): Size {
  return width <= height
    ? { width: side, height: Math.max(side, Math.round((height * side) / width)) }
    : { width: Math.max(side, Math.round((width * side) / height)), height: side };
}
