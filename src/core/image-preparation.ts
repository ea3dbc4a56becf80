/** How images are prepared for a network, in training and in testing: facts that models record. */

/**
 * What happens to an embedded color profile: `ignore` leaves the pixels as they are stored, as the pipelines did in which
 * the published weights were trained and tested; `convert` converts them to sRGB.
 */
export const colorProfileModes = ['ignore', 'convert'] as const;
export type ColorProfiles = (typeof colorProfileModes)[number];
