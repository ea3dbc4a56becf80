/**
 * Table 1 of the paper: the convolutional layers of every network, block by block, in the paper's notation
 * (`kernel size-output channels`). Every convolution keeps the size of the map and is followed by a ReLU. Every block
 * ends in a 2×2 max pool. The fully connected layers FC-4096, FC-4096 and FC-1000 and a soft-max follow.
 *
 * `B-5x5` is the shallow net of section 4.1: B with each pair of 3×3 layers replaced by one 5×5 layer, which has the
 * same receptive field.
 *
 * @example
 * configurations['A-LRN'][0]; // ['3-64', 'LRN']
 */
// biome-ignore format: one row per network of Table 1
export const configurations = {
  A: [['3-64'], ['3-128'], ['3-256', '3-256'], ['3-512', '3-512'], ['3-512', '3-512']],
  'A-LRN': [['3-64', 'LRN'], ['3-128'], ['3-256', '3-256'], ['3-512', '3-512'], ['3-512', '3-512']],
  B: [['3-64', '3-64'], ['3-128', '3-128'], ['3-256', '3-256'], ['3-512', '3-512'], ['3-512', '3-512']],
  C: [['3-64', '3-64'], ['3-128', '3-128'], ['3-256', '3-256', '1-256'], ['3-512', '3-512', '1-512'],
      ['3-512', '3-512', '1-512']],
  D: [['3-64', '3-64'], ['3-128', '3-128'], ['3-256', '3-256', '3-256'], ['3-512', '3-512', '3-512'],
      ['3-512', '3-512', '3-512']],
  E: [['3-64', '3-64'], ['3-128', '3-128'], ['3-256', '3-256', '3-256', '3-256'],
      ['3-512', '3-512', '3-512', '3-512'], ['3-512', '3-512', '3-512', '3-512']],
  'B-5x5': [['5-64'], ['5-128'], ['5-256'], ['5-512'], ['5-512']],
} as const satisfies Record<string, readonly Block[]>;

/** `3-64`: a 3×3 convolution with 64 output channels; `LRN`: local response normalization. */
export type BlockEntry = `${1 | 3 | 5}-${number}` | 'LRN';
export type Block = readonly BlockEntry[];

/** `A`, `A-LRN`, `B`, `C`, `D`, `E` or `B-5x5`; D is VGG-16, E is VGG-19. */
export type ConfigurationName = keyof typeof configurations;

/** The names in the order of Table 1. */
export const configurationNames = Object.keys(configurations) as ConfigurationName[];

export function isConfigurationName(name: string): name is ConfigurationName {
  return Object.hasOwn(configurations, name);
}
