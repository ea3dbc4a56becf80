import { prefetch } from '../core/concurrency.ts';
import { messageOf, UsageError, UserError } from '../core/errors.ts';
import { parameterSpecs } from '../core/layer.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { BadImage } from '../data/sources/bad-images.ts';
import { listGivenImages } from '../data/sources/given/given-images.ts';
import type { GivenImage, ImageInput } from '../data/sources/given/image-input.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import { FeatureExtractor, type FeatureView } from '../evaluate/features/feature-extractor.ts';
import type { ImageFeatures } from '../evaluate/features/feature-files.ts';
import { layersUpTo, type PositionPooling, poolPositions } from '../evaluate/features/feature-layers.ts';
import { type EngineOptions, loadModel } from '../evaluate/inference/load-model.ts';
import { programBytesFor } from '../evaluate/inference/program-cache.ts';
import { checkScale, scalesFor } from '../evaluate/protocol/test-scales.ts';
import { openBackend } from '../kernels/registry.ts';

export interface FeatureOptions extends EngineOptions {
  /** Weight file of any format; the convolutional layers are enough. */
  readonly model: string;
  /**
   * The images: paths of files or folders, patterns such as `photos/*.jpg`, addresses, or the bytes of files (see
   * `Classifier.predict`). Images in folders get their class folders as labels.
   */
  readonly images: readonly ImageInput[];
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

interface PreparedImage extends Pick<GivenImage, 'name' | 'label'> {
  readonly image: RgbImage;
}

/**
 * Extracts the activations of a layer as features for another learner (paper, appendix B), image by image.
 * @throws UserError when the model has no such layer, naming an image that cannot be used, or when an option does not
 *   apply; the signal's reason when it is aborted.
 * @example
 * const options = { model: 'vgg-d.safetensors', images: ['photos'], layer: 'fc7' };
 * for await (const { path, label, values } of extractFeatures(options)) console.log(path, label, values.length); // 4096
 */
export async function* extractFeatures(options: FeatureOptions): AsyncGenerator<ImageFeatures> {
  const { images } = await listGivenImages(options.images);
  yield* featuresOf(images, options);
}

/** `extractFeatures` for images that are listed already. */
export async function* featuresOf(
  images: readonly GivenImage[],
  options: Omit<FeatureOptions, 'images'>,
): AsyncGenerator<ImageFeatures> {
  const { model: path, layer, view = 'center', threads, precision, gpus } = options;
  if (view === 'whole' && options.batch !== undefined) {
    throw new UsageError('a batch size applies to center crops only; leave it out for whole images');
  }
  const backend = await openBackend(options.backend, { threads, precision, gpus });
  const read = { ...options.read, allowFeatures: true, colorProfiles: options.colorProfiles };
  const model = await loadModel(backend, path, read, (network) =>
    parameterSpecs(layersUpTo(path, network, layer)),
  );
  // Center crops need only one program, however large its batch.
  const memoryBytes = view === 'center' ? Number.POSITIVE_INFINITY : programBytesFor(model.facts.network);
  const extractor = new FeatureExtractor(model, layer, memoryBytes);
  try {
    const { facts } = model;
    const scale = options.scale ?? scalesFor(facts, undefined, path)[0]!;
    if (view === 'center') checkScale(facts.network, 'center', scale, path);
    yield* extract(extractor, scale, images, { ...options, colorProfiles: facts.colorProfiles });
  } finally {
    extractor.dispose();
    model.parameters.dispose();
  }
}

async function* extract(
  extractor: FeatureExtractor,
  scale: number,
  images: readonly GivenImage[],
  {
    view = 'center',
    pool,
    batch = 16,
    maxPixels,
    colorProfiles,
    signal,
    onBad,
  }: Omit<FeatureOptions, 'images'>,
): AsyncGenerator<ImageFeatures> {
  const size = view === 'whole' ? 1 : Math.min(batch, images.length);
  const prepared = prefetch(images.entries(), batch, async ([index, given]) => {
    const { name, label } = given;
    try {
      const encoded = { kind: 'encoded', bytes: await given.read() } as const;
      const [image] = await prepareForEvaluation(encoded, name, [scale], { maxPixels, colorProfiles });
      return { name, label, image: image! };
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
      path: group[i]!.name,
      label: group[i]!.label,
      scale,
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

function checkSize(extractor: FeatureExtractor, { name, image }: PreparedImage, view: FeatureView): void {
  try {
    extractor.outputShape(image, view);
  } catch (error) {
    throw new UserError(`${name}: ${messageOf(error)}; use a larger scale`, { cause: error });
  }
}
