/** The scales that the page offers for a model. */
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';

const LARGEST = 2048;
/** A map with fewer positions per side says almost nothing about location. */
const MIN_POSITIONS = 2;

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

/**
 * The scale of the first map: the network's default or, if that gives only one position, the smallest scale with several
 * rows and columns.
 */
export function firstMapScale({ crop, defaultScale, layers }: ModelInfo, scales: readonly number[]): number {
  const stride = 2 ** layers.filter(({ kind }) => kind === 'maxPool').length;
  const positions = (scale: number) => Math.floor((scale - crop) / stride) + 1;
  if (positions(defaultScale) > 1) return defaultScale;
  return scales.find((scale) => scale > defaultScale && positions(scale) > MIN_POSITIONS) ?? defaultScale;
}

/** Scale choices for the test protocols: value of the query parameter, and text. */
export function protocolScales({ defaultScale, autoScales }: ModelInfo): (readonly [string, string])[] {
  const several = autoScales.length > 1 ? ([['auto', autoScales.join(', ')]] as const) : [];
  return [[String(defaultScale), String(defaultScale)], ...several];
}
