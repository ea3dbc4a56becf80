/** The scales that the page offers for a model. */
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';

const LARGEST = 2048;
/**
 * Single scales for maps: those that match the training scales, and larger ones at which even a small network gives a
 * map with several positions. Omits scales with more pixels than the server accepts.
 */
export function mapScales(
  { crop, defaultScale, autoScales }: ModelInfo,
  { rescaledPixels }: Limits,
  { width, height }: { readonly width: number; readonly height: number },
): number[] {
  const aspect = Math.max(width, height) / Math.min(width, height);
  const scales = new Set([defaultScale, ...autoScales, 2 * crop, 4 * crop, 8 * crop]);
  return [...scales]
    .filter((scale) => scale <= LARGEST && scale * scale * aspect <= rescaledPixels)
    .sort((a, b) => a - b);
}

/** Whether a scale enlarges images beyond the scales that the model was trained at. */
export function isEnlarged({ trainedScale, defaultScale }: ModelInfo, scale: number): boolean {
  return scale > Math.max(trainedScale?.max ?? 0, defaultScale);
}

/** Scale choices for the test protocols: value of the query parameter, and text. */
export function protocolScales({ defaultScale, autoScales }: ModelInfo): (readonly [string, string])[] {
  const several = autoScales.length > 1 ? ([['auto', autoScales.join(', ')]] as const) : [];
  return [[String(defaultScale), String(defaultScale)], ...several];
}
