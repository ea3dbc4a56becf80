/** Images to train on: a folder the visitor chooses, photos of the camera, or the server's demo images. */

import type { FolderImages, LabeledFile, LabeledImage } from '../../../src/browser/index.ts';
import type { DemoImagesResponse } from '../../../src/serve/contract/model-schemas.ts';
import { decodeBase64, getJson } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';

/** Images of each class that are shown before training. */
const PREVIEWS = 4;

export interface TrainingSource {
  readonly name: string;
  /** Display names of the classes, with their numbers of training images. */
  readonly classes: readonly (readonly [name: string, images: number])[];
  readonly trainingImages: number;
  /** If 0, some of the training images will be held out. */
  readonly validationImages: number;
  /** Display names by class identifier; absent classes keep their identifier. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether the images are known to be grayscale. */
  readonly isGray: boolean;
  /** The smaller side of all images in pixels, if known. */
  readonly side?: number;
  /** The first few images of each of the first classes. */
  previews(classes: number): Promise<ImageBitmap[][]>;
  /** @param onUnreadable called with each image that the browser cannot decode, which is skipped */
  open(onUnreadable: (name: string) => void): {
    readonly training: AsyncIterable<LabeledImage>;
    readonly validation: AsyncIterable<LabeledImage> | undefined;
  };
}

/** @throws UserError when the folder has fewer than two classes */
export async function folderSource(files: readonly File[]): Promise<TrainingSource> {
  const { imagesOfFolder } = await loadLibrary();
  const { name, classes, training, validation }: FolderImages<File> = imagesOfFolder(files);
  return {
    name,
    classes: classes.map((one) => [one, training.filter(({ label }) => label === one).length]),
    trainingImages: training.length,
    validationImages: validation?.length ?? 0,
    labels: {},
    isGray: false,
    previews: (count) =>
      Promise.all(
        classes.slice(0, count).map(async (one) => {
          const files = training.filter(({ label }) => label === one).slice(0, PREVIEWS);
          const images = await Promise.all(
            files.map(({ file }) => createImageBitmap(file, { resizeHeight: 112 }).catch(() => undefined)),
          );
          return images.filter((image) => image !== undefined);
        }),
      ),
    open: (onUnreadable) => ({
      training: decoded(training, onUnreadable),
      validation: validation && decoded(validation, onUnreadable),
    }),
  };
}

async function* decoded(
  files: readonly LabeledFile<File>[],
  onUnreadable: (name: string) => void,
): AsyncGenerator<LabeledImage> {
  for (const { file, label } of files) {
    const image = await createImageBitmap(file, { colorSpaceConversion: 'none' }).catch(() => undefined);
    if (!image) onUnreadable(file.webkitRelativePath);
    else {
      yield { image, label };
      image.close();
    }
  }
}

/** The server's demo images. @throws ApiError */
export async function demoSource(): Promise<TrainingSource> {
  const demo = await getJson<DemoImagesResponse>('v1/demo-images');
  const { classes, labels, imageLabels } = demo;
  return {
    name: demo.name,
    classes: labels.map((one, c) => [one, imageLabels.filter((label) => label === c).length]),
    trainingImages: imageLabels.length,
    validationImages: 0,
    labels: Object.fromEntries(classes.map((one, c) => [one, labels[c]!])),
    isGray: demo.channels === 1,
    side: Math.min(demo.width, demo.height),
    previews: async (count) => {
      const bytes = decodeBase64(demo.pixels);
      return Promise.all(
        labels.slice(0, count).map((_, c) => {
          const numbers = imageLabels.flatMap((label, i) => (label === c ? [i] : [])).slice(0, PREVIEWS);
          return Promise.all(numbers.map((number) => createImageBitmap(imageDataOf(demo, bytes, number))));
        }),
      );
    },
    open: () => ({ training: unpacked(demo), validation: undefined }),
  };
}

function imageDataOf(demo: DemoImagesResponse, bytes: Uint8Array, number: number): ImageData {
  const { width, height, channels } = demo;
  const size = width * height * channels;
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    const at = number * size + i * channels;
    const color = channels === 3 ? bytes.subarray(at, at + 3) : [bytes[at]!, bytes[at]!, bytes[at]!];
    image.data.set([...color, 255], 4 * i);
  }
  return image;
}

/** Photos that were taken with the camera, class by class. */
export function cameraSource(
  classes: readonly { readonly name: string; readonly images: readonly ImageBitmap[] }[],
): TrainingSource {
  return {
    name: 'camera',
    classes: classes.map(({ name, images }) => [name, images.length]),
    trainingImages: classes.reduce((sum, { images }) => sum + images.length, 0),
    validationImages: 0,
    labels: {},
    isGray: false,
    previews: async (count) => classes.slice(0, count).map(({ images }) => images.slice(0, PREVIEWS)),
    open: () => ({ training: photographed(classes), validation: undefined }),
  };
}

async function* photographed(
  classes: readonly { readonly name: string; readonly images: readonly ImageBitmap[] }[],
): AsyncGenerator<LabeledImage> {
  for (const { name: label, images } of classes) for (const image of images) yield { image, label };
}

async function* unpacked(demo: DemoImagesResponse): AsyncGenerator<LabeledImage> {
  const { width, height, channels, classes, imageLabels } = demo;
  const bytes = decodeBase64(demo.pixels);
  const size = width * height * channels;
  for (const [i, label] of imageLabels.entries()) {
    const stored = bytes.subarray(i * size, (i + 1) * size);
    const pixels = channels === 3 ? stored : grayToRgb(stored);
    yield { image: { width, height, pixels }, label: classes[label]! };
  }
}

function grayToRgb(gray: Uint8Array): Uint8Array {
  const pixels = new Uint8Array(3 * gray.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = gray[Math.floor(i / 3)]!;
  return pixels;
}
