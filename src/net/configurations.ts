/**
 * Table 1 of the paper: the convolutional part of every network, block by block, in the paper's own
 * notation (kernel size - output channels). Every convolution is followed by a ReLU and keeps the map's
 * size; every block ends in a 2×2 max pool; then come FC-4096, FC-4096, FC-1000 and soft-max.
 *
 * `B-5x5` is the shallow net of section 4.1: B with each pair of 3×3 layers replaced by one of 5×5, which
 * has the same receptive field.
 */
export const configurations = {
  A: [['3-64'], ['3-128'], ['3-256', '3-256'], ['3-512', '3-512'], ['3-512', '3-512']],
  'A-LRN': [['3-64', 'LRN'], ['3-128'], ['3-256', '3-256'], ['3-512', '3-512'], ['3-512', '3-512']],
  B: [
    ['3-64', '3-64'],
    ['3-128', '3-128'],
    ['3-256', '3-256'],
    ['3-512', '3-512'],
    ['3-512', '3-512'],
  ],
  C: [
    ['3-64', '3-64'],
    ['3-128', '3-128'],
    ['3-256', '3-256', '1-256'],
    ['3-512', '3-512', '1-512'],
    ['3-512', '3-512', '1-512'],
  ],
  D: [
    ['3-64', '3-64'],
    ['3-128', '3-128'],
    ['3-256', '3-256', '3-256'],
    ['3-512', '3-512', '3-512'],
    ['3-512', '3-512', '3-512'],
  ],
  E: [
    ['3-64', '3-64'],
    ['3-128', '3-128'],
    ['3-256', '3-256', '3-256', '3-256'],
    ['3-512', '3-512', '3-512', '3-512'],
    ['3-512', '3-512', '3-512', '3-512'],
  ],
  'B-5x5': [['5-64'], ['5-128'], ['5-256'], ['5-512'], ['5-512']],
} as const satisfies Record<string, readonly Block[]>;

/** `3-64`: a 3×3 convolution with 64 output channels; `LRN`: local response normalisation. */
export type BlockEntry = `${1 | 3 | 5}-${number}` | 'LRN';
export type Block = readonly BlockEntry[];

export type ConfigurationName = keyof typeof configurations;

export const configurationNames = Object.keys(configurations) as ConfigurationName[];

/** Units of fc6 and fc7. */
export const HIDDEN_UNITS = 4096;

export function isConfigurationName(name: string): name is ConfigurationName {
  return Object.hasOwn(configurations, name);
}
