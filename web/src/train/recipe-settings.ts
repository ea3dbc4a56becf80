/** The settings that the page offers, and the recipe made from them. */
import type { WebRecipe } from '../../../src/browser/index.ts';
import type { TrainingSource } from './training-source.ts';

export interface RecipeSettings {
  readonly config: NonNullable<WebRecipe['config']>;
  readonly width: number;
  readonly crop: number;
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly dropout: number;
}

/**
 * Settings with which a narrow network learns from a few thousand small images in a few hundred iterations: many small
 * batches, and less dropout than the paper's 0.5, since a narrow network has little capacity to spare. At four times this
 * learning rate it stays at chance on every backend; docs/explanation/measurements.md has the figures.
 */
export const DEFAULTS: RecipeSettings = {
  config: 'A',
  width: 0.1,
  crop: 32,
  epochs: 5,
  batch: 16,
  lr: 0.005,
  dropout: 0.1,
};

/** Largest micro-batch that should fit in a visitor's GPU memory. */
const MICRO_BATCH = 32;
/** Points of the training curve per epoch. */
const POINTS = 10;
/** Fraction of the epochs after which the learning rate drops, so that training of any length ends at a low one. */
const DROP_AT = 0.75;

export function recipeOf(
  settings: RecipeSettings,
  { trainingImages, isGray, side }: TrainingSource,
): WebRecipe {
  const { crop, batch, epochs } = settings;
  return {
    ...settings,
    // In the paper's ratio of S = 256 to a crop of 224. Images no larger than the crop are used whole.
    scale: side !== undefined && side <= crop ? crop : Math.round((crop * 256) / 224),
    'micro-batch': Math.min(batch, MICRO_BATCH),
    'lr-drop-at': `${(DROP_AT * epochs).toFixed(1)}e`,
    'color-shift': !isGray,
    'log-every': Math.max(1, Math.round(trainingImages / batch / POINTS)),
  };
}
