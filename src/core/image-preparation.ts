/** How images are prepared for a network, in training and in testing: facts that models record. */

/**
 * What happens to an embedded color profile: `ignore` leaves the pixels as they are stored, as the pipelines did in which
 * the published weights were trained and tested; `convert` converts them to sRGB.
 */
export const colorProfileModes = ['ignore', 'convert'] as const;
export type ColorProfiles = (typeof colorProfileModes)[number];

/**
 * How sizes and positions in pixels are rounded. `nearest`: to the nearest whole number, the start of a center crop down.
 * `torchvision`: rescaled sizes down, the start of a center crop to the nearest even number from a half
 * (torchvision.transforms.functional: resize, center_crop).
 */
export const roundings = ['nearest', 'torchvision'] as const;
export type Rounding = (typeof roundings)[number];

/** How the makers of published weights test them. */
export interface PublishedTest {
  /** The test scale Q in pixels. */
  readonly scale: number;
  readonly protocol: 'center' | 'dense';
  readonly rounding: Rounding;
}

/** torchvision's reference script: the center crop of 224 pixels at Q = 256, without the mirror image. */
export const TORCHVISION_TEST: PublishedTest = { scale: 256, protocol: 'center', rounding: 'torchvision' };
