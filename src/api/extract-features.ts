import { prefetch } from '../core/concurrency.ts';
import { messageOf, UsageError, UserError } from '../core/errors.ts';
import { readBytes } from '../core/files.ts';
import { parameterSpecs } from '../core/layer.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import { FeatureExtractor, type FeatureView } from '../evaluate/features/feature-extractor.ts';
import type { ImageFeatures } from '../evaluate/features/feature-files.ts';
import { layersUpTo, type PositionPooling, poolPositions } from '../evaluate/features/feature-layers.ts';
import { type EngineOptions, loadModel } from '../evaluate/inference/load-model.ts';
import { checkScale, scalesFor } from '../evaluate/protocol/test-scales.ts';
import { openBackend } from '../kernels/registry.ts';

export interface FeatureOptions extends EngineOptions {
  /** Weight file of any format; the convolutional layers are enough. */
  readonly model: string;
  /** Image files: JPEG, PNG or WebP. */
  readonly images: readonly string[];
  /** `conv1_1` … `fc8`, each after its ReLU, or `pool1` … `pool5`. */
  readonly layer: string;
  /** `center` (default): the center crop; `whole`: the whole image, which gives larger maps. */
  readonly view?: FeatureView;
  /** Pooling over the positions of a map: `none` (default), or the `mean` or `max` of each channel. */
  readonly pool?: PositionPooling;
  /** Smaller side Q of the rescaled image, in pixels (default: the training scale S, or the middle of its range). */
  readonly scale?: number;
  /** Center crops in a batch (default 16); not with `view: 'whole'`, since whole images differ in size. */
  readonly batch?: number;
  /** Images with more pixels are rejected before they are decoded (default 100 million). */
  readonly maxPixels?: number;
  /** Stops between two images with the signal's reason (default: never). */
  readonly signal?: AbortSignal;
  /** Called for each image that cannot be read, which is then left out (default: the first one is an error). */
  onBad?(image: BadImage): void;
}

/** Most bytes of cached programs for whole images, one for each size. */
const WHOLE_IMAGE_BYTES = 2 * 2 ** 30;

interface PreparedImage {
  readonly path: string;
  readonly image: RgbImage;
}

/**
 * Extracts the activations of a layer as features for another learner (paper, appendix B), image by image.
 * @throws UserError when the model has no such layer, naming an image that cannot be used, or when an option does not
 *   apply; the signal's reason when it is aborted.
 * @example
 * const options = { model: 'vgg-d.safetensors', images: ['a.jpg', 'b.jpg'], layer: 'fc7' };
 * for await (const { path, values } of extractFeatures(options)) console.log(path, values.length); // 4096
 */
export async function* extractFeatures(options: FeatureOptions): AsyncGenerator<ImageFeatures> {
  const { model: path, layer, view = 'center', threads, precision } = options;
  if (view === 'whole' && options.batch !== undefined) {
    throw new UsageError('a batch size applies to center crops only; leave it out for whole images');
  }
  const backend = await openBackend(options.backend, { threads, precision });
  const read = { ...options.read, allowFeatures: true, colorProfiles: options.colorProfiles };
  const model = await loadModel(backend, path, read, (network) =>
    parameterSpecs(layersUpTo(path, network, layer)),
  );
  // Center crops need only one program, however large its batch.
  const memoryBytes = view === 'center' ? Number.POSITIVE_INFINITY : WHOLE_IMAGE_BYTES;
  const extractor = new FeatureExtractor(model, layer, memoryBytes);
  try {
    const { facts } = model;
    const scale = options.scale ?? scalesFor(facts, undefined, path)[0]!;
    if (view === 'center') checkScale(facts.network, 'center', scale, path);
    yield* extract(extractor, scale, { ...options, colorProfiles: facts.colorProfiles });
  } finally {
    extractor.dispose();
    model.parameters.dispose();
  }
}

async function* extract(
  extractor: FeatureExtractor,
  scale: number,
  { images, view = 'center', pool, batch = 16, maxPixels, colorProfiles, signal, onBad }: FeatureOptions,
): AsyncGenerator<ImageFeatures> {
  const size = view === 'whole' ? 1 : Math.min(batch, images.length);
  const prepared = prefetch(images.entries(), batch, async ([index, path]) => {
    try {
      const encoded = { kind: 'encoded', bytes: await readBytes(path) } as const;
      const [image] = await prepareForEvaluation(encoded, path, [scale], {
        maxPixels,
        colorProfiles,
      });
      return { path, image: image! };
    } catch (error) {
      if (onBad === undefined || !(error instanceof UserError)) throw error;
      onBad({ index, message: error.message });
      return undefined;
    }
  });
  const run = async (group: readonly PreparedImage[]): Promise<ImageFeatures[]> => {
    checkSize(extractor, group[0]!, view);
    const imagesOfGroup = group.map(({ image }) => image);
    const found = await extractor.run(imagesOfGroup, view, size);
    return found.map(({ shape, values }, i) => ({
      path: group[i]!.path,
      ...poolPositions(values, shape, pool),
    }));
  };
  let group: PreparedImage[] = [];
  for await (const one of prepared) {
    signal?.throwIfAborted();
    if (one === undefined) continue;
    group.push(one);
    if (group.length < size) continue;
    yield* await run(group);
    group = [];
  }
  if (group.length > 0) yield* await run(group);
}

function checkSize(extractor: FeatureExtractor, { path, image }: PreparedImage, view: FeatureView): void {
  try {
    extractor.outputShape(image, view);
  } catch (error) {
    throw new UserError(`${path}: ${messageOf(error)}; use a larger scale`, { cause: error });
  }
}
