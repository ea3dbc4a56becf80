import { openBoxes } from '../data/boxes/open-boxes.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import type { Split } from '../data/sources/splits.ts';
import type { Recipe } from './recipe.ts';

/** Opens labeled images, with their boxes in localization. @throws UserError as `openImages` and `openBoxes` do */
export function openForTask(
  location: string,
  split: Split,
  { task, boxes }: Partial<Pick<Recipe, 'task' | 'boxes'>>,
  notes: { onNote?(note: string): void } = {},
): Promise<ImageSource> {
  if (task !== 'localize') return openImages(location, { split });
  return openBoxes(location, { split, boxes, onNote: (note) => notes.onNote?.(note) });
}
