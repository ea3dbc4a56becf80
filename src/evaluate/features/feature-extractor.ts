/** Runs a network up to one of its layers. */
import { shapesAlong } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import { centerCrop, writeWindow } from '../../data/pixels/crop.ts';
import type { Window } from '../../data/pixels/resample.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import type { LoadedModel } from '../inference/load-model.ts';
import { ProgramCache } from '../inference/program-cache.ts';
import { denseWindow } from '../protocol/dense-score-map.ts';
import { layersUpTo } from './feature-layers.ts';

/** The center crop, or the whole image as in dense evaluation, which gives larger maps. */
export type FeatureView = 'center' | 'whole';

/** A layer's activations for one image. */
export interface Activations {
  /** `[1, C, H, W]` */
  readonly shape: Shape4;
  /** `[C, H, W]` */
  readonly values: Float32Array;
}

export class FeatureExtractor {
  readonly #facts: Pick<ModelFacts, 'network' | 'meanRgb' | 'publishedTest'>;
  readonly #layers: ReturnType<typeof layersUpTo>;
  readonly #programs: ProgramCache;

  /**
   * @param memoryBytes of compiled programs that are cached
   * @throws UsageError when there is no such layer, listing those that can be chosen.
   */
  constructor({ path, backend, parameters, facts }: LoadedModel, layer: string, memoryBytes: number) {
    this.#facts = facts;
    this.#layers = layersUpTo(path, facts.network, layer);
    this.#programs = new ProgramCache({ backend, layers: this.#layers, parameters, memoryBytes });
  }

  /** @returns `[1, C, H, W]` @throws RangeError when the image is too small for the layer. */
  outputShape(image: RgbImage, view: FeatureView): Shape4 {
    return shapesAlong(this.#layers, this.#inputShape(image, view, 1)).at(-1)!;
  }

  /**
   * @param images of one size if they are used whole
   * @param batch size that the program is compiled for, at least the number of images
   * @param mirrored which images to mirror (default: none)
   */
  async run(
    images: readonly RgbImage[],
    view: FeatureView,
    batch = images.length,
    mirrored: readonly boolean[] = [],
  ): Promise<Activations[]> {
    const { meanRgb } = this.#facts;
    const inputShape = this.#inputShape(images[0]!, view, batch);
    const size = elementCount(inputShape) / batch;
    const input = new Float32Array(images.length * size);
    for (const [i, image] of images.entries()) {
      writeWindow(image, this.#window(image, view), mirrored[i] ?? false, meanRgb, input, i * size);
    }
    const output = await this.#programs.run(inputShape, input);
    const length = output.length / images.length;
    const shape = this.outputShape(images[0]!, view);
    return images.map((_, i) => ({ shape, values: output.subarray(i * length, (i + 1) * length) }));
  }

  /** Frees the programs; running ones are freed when they finish. */
  dispose(): void {
    this.#programs.dispose();
  }

  #inputShape(image: RgbImage, view: FeatureView, batch: number): Shape4 {
    const { width, height } = this.#window(image, view);
    return [batch, 3, height, width];
  }

  #window(image: RgbImage, view: FeatureView): Window {
    if (view === 'whole') return denseWindow(this.#layers, image);
    const { network, publishedTest } = this.#facts;
    const { crop } = network;
    return {
      ...centerCrop(image.width, image.height, crop, { rounding: publishedTest?.rounding }),
      width: crop,
      height: crop,
    };
  }
}
