/** A map over an image of what speaks for one class. */
import type { Size } from '../../data/pixels/resample.ts';
import type { LabeledClass } from './prediction-maps.ts';

export interface ClassMap {
  /** Size of the rescaled image in pixels; all distances are in its pixels. */
  readonly rescaled: Size;
  readonly rows: number;
  readonly columns: number;
  /** Left edge of the first value's square. */
  readonly left: number;
  /** Top edge of the first value's square. */
  readonly top: number;
  /** Distance between the squares of neighboring values. */
  readonly effectiveStride: number;
  /** Side of the square that a value stands for. */
  readonly window: number;
  /** The class, and its probability by dense evaluation of the image, without its mirror image. */
  readonly class: LabeledClass;
  /** rows × columns, row by row. */
  readonly map: number[];
}
