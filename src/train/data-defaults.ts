/**
 * Settings of a training that follow from the data when nobody gives them. The paper's values suit the paper's data: 1.3
 * million photographs. On a hundred photographs a batch of 256 holds all of them twice, and 74 epochs are 29 steps.
 * docs/explanation/defaults.md describes the rule and how it was found.
 */
import { parseTrainScale } from '../core/scale.ts';
import type { ConfigurationName } from '../net/configurations.ts';
import { usualRate } from './learning-rate-schedule.ts';
import type { PartialRecipe } from './recipe.ts';

/** What the rule looks at. */
export interface DataFacts {
  /** Training images, including those that will be held out. */
  readonly images: number;
  readonly classes: number;
  /** Median of the images' smaller sides, in pixels. */
  readonly side: number;
  /** The model to start from (`from`), if there is one. */
  readonly from?: StartingModel;
}

export interface StartingModel {
  readonly config: ConfigurationName;
  readonly width: number;
  readonly crop: number;
  /** Whether it lacks the fully connected layers, so that any crop fits. */
  readonly featuresOnly: boolean;
}

/** The keys that the rule may set. */
const dataKeys = [
  'config',
  'width',
  'crop',
  'scale',
  'batch',
  'lr',
  'lr-factor',
  'patience',
  'lr-drop-at',
  'epochs',
  'validate-every',
] as const;
type DataKey = (typeof dataKeys)[number];

export function isDataKey(key: string): key is DataKey {
  return (dataKeys as readonly string[]).includes(key);
}

/** From here on, the paper's values. */
const PAPER_IMAGES = 500_000;

/** Width and largest crop by number of images. */
const NETWORKS = [
  { preset: 'small', below: 20_000, width: 0.25, crop: 64 },
  { preset: 'medium', below: 200_000, width: 0.5, crop: 128 },
  { preset: 'paper', below: Number.POSITIVE_INFINITY, width: 1, crop: 224 },
] as const;

/** Sizes that people can choose; `paper`: the paper's values for every key. */
export const presets = NETWORKS.map(({ preset }) => preset);
export type Preset = (typeof presets)[number];

/** When the rate falls, as shares of the training, each time to a third. */
const DROPS = [0.5, 0.7, 0.85] as const;

/**
 * The values of keys that are not given. Some follow from given ones: the scale from the crop, the drops of the learning
 * rate from the epochs.
 * @param preset size of the network (default: by the number of images)
 * @returns only keys that are not in `given`; none for data of the paper's size
 */
export function dataDefaults(
  facts: DataFacts,
  given: PartialRecipe,
  preset?: Preset,
): Pick<PartialRecipe, DataKey> {
  if (preset === 'paper') return {};
  const chosen = { ...networkDefaults(facts, given, preset), ...scheduleDefaults(facts, given) };
  return Object.fromEntries(
    Object.entries(chosen).filter(([key, value]) => value !== undefined && !(key in given)),
  );
}

function networkDefaults(
  { images, side, from }: DataFacts,
  given: PartialRecipe,
  preset: Preset | undefined,
): PartialRecipe {
  const isChosen = ({ preset: name, below }: (typeof NETWORKS)[number]) =>
    preset === undefined ? images < below : name === preset;
  const { width, crop: largest } = NETWORKS.find(isChosen)!;
  const smallest = given.scale === undefined ? side : parseTrainScale(given.scale).min;
  const fitting = Math.min(largest, Math.max(32, 32 * Math.floor(smallest / 32)));
  const crop = from && !from.featuresOnly ? from.crop : fitting;
  return { width: from?.width ?? width, config: from?.config, crop, scale: scaleFor(given.crop ?? crop) };
}

/** The paper's S for its crop; otherwise jittered by a quarter. */
function scaleFor(crop: number): string {
  return crop === 224 ? '256' : `${crop}..${Math.round(1.25 * crop)}`;
}

function scheduleDefaults({ images, from }: DataFacts, given: PartialRecipe): PartialRecipe {
  if (images >= PAPER_IMAGES) return {};
  const chosenEpochs = Math.max(1, Math.round((from ? 0.1 : 1) * 100 * (100 / images) ** (1 / 3)));
  const epochs = given.epochs ?? chosenEpochs;
  const batch = given.batch ?? batchFor(images);
  const trained = given.iterations === undefined ? epochs : (given.iterations * batch) / images;
  const byPlateau = (['lr-drops', 'patience', 'lr-factor'] as const).some((key) => key in given);
  return {
    batch,
    epochs: given.iterations === undefined ? epochs : undefined,
    ...(byPlateau || 'lr-drop-at' in given ? {} : { 'lr-factor': 3, 'lr-drop-at': dropsOf(given, epochs) }),
    // The paper's initial rate of boxes, whose loss is steeper than the soft-max loss.
    lr: from || given.task === 'localize' ? 0.001 : usualRate(batch),
    // About twenty validations.
    'validate-every': Math.max(1, Math.round(trained / 20)),
  };
}

function dropsOf({ iterations }: PartialRecipe, epochs: number): string {
  if (iterations !== undefined) return DROPS.map((share) => Math.round(share * iterations)).join();
  return DROPS.map((share) => `${Number((share * epochs).toFixed(2))}e`).join();
}

/** The power of two nearest to √n / 2, from 16 to 256, but at most half of the images. */
function batchFor(images: number): number {
  const near = 2 ** Math.round(Math.log2(Math.sqrt(images) / 2));
  const half = 2 ** Math.floor(Math.log2(Math.max(2, images) / 2));
  return Math.min(256, Math.max(16, near), half);
}
