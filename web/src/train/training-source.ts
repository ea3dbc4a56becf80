/** Images to train on: a folder the visitor chooses, or the server's demo images. */

import type { FolderImages, LabeledFile, LabeledImage } from '../../../src/browser/index.ts';
import type { DemoImagesResponse } from '../../../src/serve/contract/model-schemas.ts';
import { decodeBase64, getJson } from '../api/client.ts';
import { loadLibrary } from '../in-browser/library.ts';

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
    open: () => ({ training: unpacked(demo), validation: undefined }),
  };
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
