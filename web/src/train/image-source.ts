/** Images to train on, and the recipe that the page makes of the person's choices. */
import type { DemoImagesResponse } from '../../../src/serve/contract/model.ts';
import type { FolderImages, LabelledFile, LabelledImage, WebRecipe } from '../../../src/web/index.ts';
import { getJson } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';
import { bytesOf } from '../api/bytes.ts';

export interface TrainingSource {
  readonly name: string;
  /** In how many training images the classes come. */
  readonly classes: readonly (readonly [name: string, images: number])[];
  readonly trainingImages: number;
  /** 0 where some of the training images are to be held out. */
  readonly validationImages: number;
  /** Names for people, by class. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether colours mean nothing. */
  readonly isGrey: boolean;
  /** The smaller side of all images, pixels, where it is known. */
  readonly side: number | undefined;
  /** @param onUnreadable hears of each image that the browser cannot decode, which is left out */
  open(onUnreadable: (name: string) => void): {
    readonly training: AsyncIterable<LabelledImage>;
    readonly validation: AsyncIterable<LabelledImage> | undefined;
  };
}

/** @throws UserError unless the folder has images of two classes or more. */
export async function folderSource(files: readonly File[]): Promise<TrainingSource> {
  const { imagesOfFolder } = await loadLibrary();
  const { name, classes, training, validation }: FolderImages<File> = imagesOfFolder(files);
  return {
    name,
    classes: classes.map((one) => [one, training.filter(({ label }) => label === one).length]),
    trainingImages: training.length,
    validationImages: validation?.length ?? 0,
    labels: {},
    isGrey: false,
    side: undefined,
    open: (onUnreadable) => ({
      training: decoded(training, onUnreadable),
      validation: validation && decoded(validation, onUnreadable),
    }),
  };
}

async function* decoded(
  files: readonly LabelledFile<File>[],
  onUnreadable: (name: string) => void,
): AsyncGenerator<LabelledImage> {
  for (const { file, label } of files) {
    const image = await createImageBitmap(file).catch(() => undefined);
    if (!image) onUnreadable(file.webkitRelativePath);
    else {
      yield { image, label };
      image.close();
    }
  }
}

/** Some images of the server's. @throws ApiError */
export async function demoSource(): Promise<TrainingSource> {
  const demo = await getJson<DemoImagesResponse>('v1/demo-images');
  const { classes, labels, imageLabels } = demo;
  return {
    name: demo.name,
    classes: labels.map((one, c) => [one, imageLabels.filter((label) => label === c).length]),
    trainingImages: imageLabels.length,
    validationImages: 0,
    labels: Object.fromEntries(classes.map((one, c) => [one, labels[c]!])),
    isGrey: demo.channels === 1,
    side: Math.min(demo.width, demo.height),
    open: () => ({ training: unpacked(demo), validation: undefined }),
  };
}

async function* unpacked(demo: DemoImagesResponse): AsyncGenerator<LabelledImage> {
  const { width, height, channels, classes, imageLabels } = demo;
  const bytes = bytesOf(demo.pixels);
  const size = width * height * channels;
  for (const [i, label] of imageLabels.entries()) {
    const own = bytes.subarray(i * size, (i + 1) * size);
    const pixels = channels === 3 ? own : inColour(own);
    yield { image: { width, height, pixels }, label: classes[label]! };
  }
}

function inColour(grey: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * grey.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = grey[Math.floor(i / 3)]!;
  return pixels;
}

export interface Settings {
  readonly config: NonNullable<WebRecipe['config']>;
  readonly width: number;
  readonly crop: number;
  readonly epochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly dropout: number;
}

/**
 * What a narrow network learns from a few thousand small images in a few hundred steps: small steps, many of them,
 * and less dropout than the paper's half, since so narrow a network has little to spare. At four times this rate it
 * stays at chance, on every backend; docs/explanation/measurements.md has the figures.
 */
export const DEFAULTS: Settings = {
  config: 'A',
  width: 0.1,
  crop: 32,
  epochs: 5,
  batch: 16,
  lr: 0.005,
  dropout: 0.1,
};

/** Images of a batch that are computed at once: what a visitor's GPU has memory for. */
const AT_ONCE = 32;
/** Points of the training curve in a pass over the images. */
const POINTS = 10;
/** The part of the passes after which the rate drops, so that a training of any length ends at a low one. */
const DROP_AT = 0.75;

export function recipeOf(settings: Settings, { trainingImages, isGrey, side }: TrainingSource): WebRecipe {
  const { crop, batch, epochs } = settings;
  return {
    ...settings,
    // As S = 256 stands to the paper's crop of 224; but of images that must be enlarged for the crop nothing is cut off.
    scale: side !== undefined && side <= crop ? crop : Math.round((crop * 256) / 224),
    'micro-batch': Math.min(batch, AT_ONCE),
    'lr-drop-at': `${(DROP_AT * epochs).toFixed(1)}e`,
    'color-shift': !isGrey,
    'log-every': Math.max(1, Math.round(trainingImages / batch / POINTS)),
  };
}
