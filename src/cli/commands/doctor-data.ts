/** The checks of `vgg doctor DATA`: what training would find, without training. */
import { chooseRecipe } from '../../api/choose-recipe.ts';
import { trainingCost } from '../../api/training-cost.ts';
import { medianSide } from '../../data/pixels/median-side.ts';
import { howToConvert, listKinds } from '../../data/sources/folders/unused-files.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import { formatCount, formatDuration, formatSplit } from '../../report/format.ts';
import { openTrainingSet } from '../../train/training-set.ts';
import { setWarnings } from '../../train/training-warnings.ts';
import type { ShowProgress } from '../progress.ts';
import type { Check } from './doctor-checks.ts';

/** Most classes whose images are counted one by one. */
const CLASSES_LISTED = 12;

/**
 * Decodes all images once, as training does; training finds the result in the cache.
 * @throws UserError for data that cannot be trained on
 */
export async function checkData(data: string, show: ShowProgress): Promise<Check[]> {
  const { recipe, facts } = await chooseRecipe(data);
  const notes: string[] = [];
  const set = await openTrainingSet(data, {
    recipe: { ...recipe, 'skip-bad': true },
    listener: {
      onNote: (note) => notes.push(note),
      onSurvey: ({ done, total, what }) => show(`checking the ${what} images`, done, total),
    },
  });
  const { training, validation, validationRecord } = set;
  const side = await medianSide(training);
  const cost = await trainingCost(recipe, { ...facts, images: training.length });
  const seconds = await cost.measureSeconds();
  const { epochs, config, width, crop, batch } = recipe;
  return [
    { name: 'classes', status: 'ok', found: describeClasses(training) },
    {
      name: 'split',
      status: 'ok',
      found: `${formatCount(training.length)} training images, ${formatCount(validation.length)} ${formatSplit(validationRecord.split)}, median smaller side ${side ?? facts.side} px`,
    },
    ...notes.filter((note) => note.includes('cannot be read')).map(ofNote),
    ...unusedFiles(training),
    ...[...set.warnings, ...setWarnings({ ...set, side }, recipe)].map(ofNote),
    {
      name: 'training',
      status: 'ok',
      found: `about ${formatDuration(seconds / epochs)} per epoch, ${formatDuration(seconds)} for ${epochs} epochs (network ${config}, width ${width}, crop ${crop}, batch size ${batch})`,
    },
  ];
}

function describeClasses({ labels, length, label }: ImageSource): string {
  const counts = labels.map(() => 0);
  for (let image = 0; image < length; image++) counts[label(image)]!++;
  if (labels.length <= CLASSES_LISTED) {
    return `${labels.length}: ${labels.map((name, i) => `${name} ${formatCount(counts[i]!)}`).join(', ')}`;
  }
  return `${formatCount(labels.length)}, of ${formatCount(Math.min(...counts))} to ${formatCount(Math.max(...counts))} images`;
}

/** A note is fault and remedy, divided by a semicolon. */
function ofNote(note: string): Check {
  const [found, ...remedy] = note.split('; ');
  return { name: 'images', status: 'warning', found: found!, remedy: remedy.join('; ') || undefined };
}

function unusedFiles({ unused }: ImageSource): Check[] {
  if (unused === undefined || unused.size === 0) return [];
  return [
    {
      name: 'files',
      status: 'warning',
      found: `not used: ${listKinds(unused)}`,
      remedy: howToConvert(unused),
    },
  ];
}
