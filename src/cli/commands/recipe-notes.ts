/** What `vgg train` says about the settings that it chose from the data. */
import type { ChosenRecipe } from '../../api/choose-recipe.ts';
import type { TrainingCost } from '../../api/training-cost.ts';
import { imageFlops } from '../../net/cost.ts';
import { formatBytes, formatCount, formatDuration } from '../../report/format.ts';
import { networkOf, resolveRecipe } from '../../train/resolve-recipe.ts';
import { shellWord } from '../program-name.ts';

/** With fewer images per class, a network from random weights learns little. */
const FEW_PER_CLASS = 300;

/** The notes before training, one line each. */
export function recipeNotes({ chosen, facts, recipe }: ChosenRecipe, data: string, out: string): string[] {
  const { images, classes, side } = facts;
  const found = `${formatCount(images)} images, ${formatCount(classes)} classes, smaller side ${side} px`;
  const keys = Object.entries(chosen).map(([key, value]) => `--${key} ${value}`);
  const notes =
    keys.length === 0
      ? [`settings: the paper's, where no flag gives others (${found})`]
      : [`settings for this data (${found}): ${keys.join(' ')}`];
  if (
    recipe.from === undefined &&
    recipe['from-shallower'] === undefined &&
    images < FEW_PER_CLASS * classes
  ) {
    notes.push(
      `${formatCount(images / classes)} images per class are few for random weights: trained ones give a much lower error. ` +
        `Start from VGG-16 (528 MiB, downloaded once): vgg train ${shellWord(data)} --from torchvision/vgg16 --out ${shellWord(`${out}-vgg16`)}`,
    );
  }
  return notes;
}

/** Operations of a training worth a line about its cost: five minutes at 100 GFLOP/s. */
export const LONG = 3e13;

/** `about 44 min, 5.1 GiB of memory, 1.5 GiB of disk; less with …` */
export function formatCost({ memory, disk }: TrainingCost, seconds: number, ranks = 1): string {
  const each = ranks > 1 ? ` for each of the ${ranks} ranks` : '';
  const sizes = `${formatBytes(memory)} of memory${each}, ${formatBytes(disk)} of disk`;
  const time = `${formatDuration(seconds)}${ranks > 1 ? ' plus the exchange of gradients' : ''}`;
  return `This will take about ${time}, ${sizes}; --preset small, a smaller --width or fewer --epochs take less.`;
}

/** Floating-point operations of the paper's recipe on this data: the same configuration at full width and crop. */
export function paperFlops({ recipe: { config }, facts }: ChosenRecipe): number {
  const paper = resolveRecipe({ config });
  return imageFlops(networkOf(paper, Math.max(2, facts.classes))).training * facts.images * paper.epochs;
}
