/** Which scales the page offers for a model. */
import type { Limits, ModelInfo } from '../../../src/serve/contract/model.ts';

const LARGEST = 2048;
/** Fewer positions side by side than this tell next to nothing of a place. */
const MIN_POSITIONS = 2;

/**
 * Single scales for maps: those that belong to the training, and enlargements at which even a small network has a
 * map of several positions. What would be more pixels than the server takes is left out.
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
 * The scale of the map that is shown at first: the network's own, or where that is a single position, which shows
 * nothing, the smallest at which there are several rows and columns.
 */
export function firstMapScale({ crop, defaultScale, layers }: ModelInfo, scales: readonly number[]): number {
  const stride = 2 ** layers.filter(({ kind }) => kind === 'maxPool').length;
  const positions = (scale: number) => Math.floor((scale - crop) / stride) + 1;
  if (positions(defaultScale) > 1) return defaultScale;
  return scales.find((scale) => scale > defaultScale && positions(scale) > MIN_POSITIONS) ?? defaultScale;
}

/** What can be asked of the test protocols, by the value of the query parameter. */
export function protocolScales({ defaultScale, autoScales }: ModelInfo): (readonly [string, string])[] {
  const several = autoScales.length > 1 ? ([['auto', autoScales.join(', ')]] as const) : [];
  return [[String(defaultScale), String(defaultScale)], ...several];
}
