/** Shared by tests of evaluation: a small network of Table 1 on the reference backend, and images in memory. */
import type { RgbImage } from '../../../src/data/sources/image-source.ts';
import { Ensemble } from '../../../src/evaluate/inference/ensemble.ts';
import {
  type BatchingLimits,
  type ClassifyOptions,
  ImageClassifier,
} from '../../../src/evaluate/inference/image-classifier.ts';
import type { Backend, Parameters } from '../../../src/kernels/backend.ts';
import { initialize } from '../../../src/net/initialization.ts';
import { buildNetwork, type Network, type NetworkOptions } from '../../../src/net/network.ts';
import { reference } from '../../support/backends.ts';
import { createParameters } from '../../support/chains.ts';
import { pattern } from '../../support/images.ts';

export const MEAN = [118, 109.5, 98.25] as const;

export interface SmallModel {
  readonly backend: Backend;
  readonly network: Network;
  readonly parameters: Parameters;
}

/** Configuration A with channels 2, 5, 9, 18 and five classes, whose logits are of the order of 1. */
export async function smallModel(
  options: Partial<NetworkOptions> = {},
  { backend = reference, seed = 5 }: { backend?: Backend; seed?: number } = {},
): Promise<SmallModel> {
  const network = buildNetwork({ configuration: 'A', classes: 5, crop: 32, width: 1 / 28, ...options });
  const values = new Map(initialize(network, { method: 'he-unscaled', seed }));
  const first = values.get('conv1_1.weight')!.map((weight) => weight / 256);
  values.set('conv1_1.weight', first);
  return { backend, network, parameters: await createParameters(backend, network.layers, values, false) };
}

export function classifierOf(model: SmallModel, limits: BatchingLimits = {}): ImageClassifier {
  return new ImageClassifier({ ...model, meanRgb: MEAN, ...limits });
}

export function ensembleOf(
  models: readonly SmallModel[],
  scales: readonly number[],
  options: ClassifyOptions,
  limits: BatchingLimits = {},
): Ensemble {
  return new Ensemble(
    models.map((model) => ({ classifier: classifierOf(model, limits), scales })),
    options,
  );
}

/** An image with edges and without symmetry, different for each seed. */
export function picture(width: number, height: number, seed = 0): RgbImage {
  const image = pattern(width, height, seed);
  for (let i = 0; i < image.pixels.length; i += 3) {
    const place = i / 3;
    const [x, y] = [place % width, Math.floor(place / width)];
    const square = (((x + seed) >> 3) + ((y * 3 + seed) >> 4)) % 3;
    image.pixels[i + square] = (image.pixels[i + square]! + 90 + 13 * seed) % 256;
  }
  return image;
}

export function mirrored({ width, height, pixels }: RgbImage): RgbImage {
  const flipped = new Uint8Array(pixels.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      flipped.set(pixels.subarray(from, from + 3), (y * width + width - 1 - x) * 3);
    }
  }
  return { width, height, pixels: flipped };
}
