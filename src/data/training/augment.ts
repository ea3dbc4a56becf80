/**
 * The random augmentation of a training image (paper, 3.1): the scale S, the position of the crop, a flip and a color
 * shift. Each of these has its own key, derived only from (seed, ingredient, epoch, image), so turning one off does not
 * change the others, and neither does the number of workers or ranks, or a resume.
 */
import { UserError } from '../../core/errors.ts';
import { deriveKey, deriveKeys, type Key, keyOfSeed, RandomStream } from '../../core/random.ts';
import type { TrainScale } from '../../core/scale.ts';
import type { Rgb } from '../../core/shape.ts';
import { type Crop, centerCrop } from '../pixels/crop.ts';
import { type ColorAxes, drawColorShift } from './color-shift.ts';

export interface AugmentationOptions {
  readonly seed: number;
  /** Side of the square crop in pixels: 224 in the paper. */
  readonly crop: number;
  readonly scale: TrainScale;
  /** Whether the crop is anywhere in the image; otherwise it is in the center. */
  readonly randomCrop: boolean;
  /** Whether half of the crops are mirrored. */
  readonly flip: boolean;
  /** The color axes of the training set (default: no color shift). */
  readonly colorShift?: ColorAxes;
}

const INGREDIENTS = ['scale', 'cropX', 'cropY', 'flip', 'shift'] as const;
type Ingredient = (typeof INGREDIENTS)[number];

export class Augmentation {
  readonly options: AugmentationOptions;
  readonly #keys: Record<Ingredient, Key>;
  /** The keys of the last epoch that was used, which is almost always also the next one. */
  #epoch = -1;
  #epochKeys: Record<Ingredient, Key>;

  /** @throws UserError when the crop does not fit the scale. */
  constructor(options: AugmentationOptions) {
    const { crop, scale } = options;
    if (!(scale.min <= scale.max)) {
      throw new UserError(`the scale ${scale.min}..${scale.max} is empty; give the smaller number first`);
    }
    if (!(crop >= 1 && crop <= scale.min)) {
      throw new UserError(
        `a crop of ${crop} does not fit into images of scale ${scale.min}; use a scale of at least ${crop} or a smaller crop`,
      );
    }
    this.options = options;
    this.#keys = mapKeys((ingredient) => deriveKeys(keyOfSeed(options.seed), 'augmentation', ingredient));
    this.#epochKeys = this.#keys;
  }

  /** Whether every image has the same scale in every epoch. */
  get fixedScale(): boolean {
    return this.options.scale.min === this.options.scale.max;
  }

  /** S for an image: the smaller side to rescale it to. */
  scale(epoch: number, image: number): number {
    const { min, max } = this.options.scale;
    return min === max ? min : min + this.#random('scale', epoch, image).below(max - min + 1);
  }

  /** The crop from an image rescaled to `width` × `height`. */
  crop(epoch: number, image: number, width: number, height: number): Crop {
    const { crop: size, randomCrop } = this.options;
    const flip = this.#flips(epoch, image);
    if (!randomCrop) return centerCrop(width, height, size, { flip });
    return {
      left: width === size ? 0 : this.#random('cropX', epoch, image).below(width - size + 1),
      top: height === size ? 0 : this.#random('cropY', epoch, image).below(height - size + 1),
      size,
      flip,
    };
  }

  /** The color shift, which is added to every pixel of an image. */
  shift(epoch: number, image: number): Rgb {
    const axes = this.options.colorShift;
    return axes === undefined ? [0, 0, 0] : drawColorShift(axes, this.#random('shift', epoch, image));
  }

  /** 0, or 1 for the mirror image, if an image has no more views than these two; otherwise undefined. */
  fixedView(epoch: number, image: number): 0 | 1 | undefined {
    const { randomCrop, colorShift } = this.options;
    if (randomCrop || colorShift !== undefined || !this.fixedScale) return undefined;
    return this.#flips(epoch, image) ? 1 : 0;
  }

  #flips(epoch: number, image: number): boolean {
    return this.options.flip && (this.#random('flip', epoch, image).word() & 1) === 1;
  }

  #random(ingredient: Ingredient, epoch: number, image: number): RandomStream {
    if (epoch !== this.#epoch) {
      this.#epochKeys = mapKeys((name) => deriveKey(this.#keys[name], epoch));
      this.#epoch = epoch;
    }
    return new RandomStream(deriveKey(this.#epochKeys[ingredient], image));
  }
}

function mapKeys(key: (ingredient: Ingredient) => Key): Record<Ingredient, Key> {
  return Object.fromEntries(INGREDIENTS.map((name) => [name, key(name)])) as Record<Ingredient, Key>;
}
