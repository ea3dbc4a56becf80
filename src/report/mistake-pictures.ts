/** Draws pictures of mistakes with the dense score map of the predicted class (paper, section 3.2). */
import sharp from 'sharp';
import { imagePlanes } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { ImageSource, RgbImage } from '../data/sources/image-source.ts';
import type { LoadedModel } from '../evaluate/inference/load-model.ts';
import { denseWindow, positionPosteriors } from '../evaluate/protocol/dense-score-map.ts';
import type { ImageResult } from '../evaluate/results/image-results.ts';
import type { Mistake } from './run-report.ts';

/** Pixels between the positions of a score map. */
const STRIDE = 32;

/** @param scale smaller side Q of the pictures, in pixels */
export async function drawMistake(
  { facts, backend, parameters }: LoadedModel,
  source: ImageSource,
  { image, label, top, loss }: ImageResult,
  scale: number,
): Promise<Mistake> {
  const name = source.imageName(image);
  const [scaled] = await prepareForEvaluation(await source.read(image), name, [scale], {
    colorProfiles: facts.colorProfiles,
    rounding: facts.publishedTest?.rounding,
  });
  const { layers, crop } = facts.network;
  const window = denseWindow(layers, scaled!);
  const inputShape = [1, 3, window.height, window.width] as const;
  const program = await backend.compile({ layers, inputShape, parameters });
  try {
    const scores = await program.forward(imagePlanes(scaled!, facts.meanRgb, window));
    const [, , height, width] = program.outputShape;
    const { index, probability } = top[0]!;
    const [map] = positionPosteriors({ scores, rows: height, columns: width }, [index]);
    const middle = (crop - STRIDE) / 2;
    const area = { columns: width, rows: height, left: window.left + middle, top: window.top + middle };
    return {
      name,
      label: facts.labels[label]!,
      predicted: facts.labels[index]!,
      probability,
      labelProbability: Math.exp(-loss),
      picture: await toPng(scaled!),
      scoreMap: await overlay(scaled!, map!, area),
    };
  } finally {
    program.dispose();
  }
}

const raw = ({ width, height }: { width: number; height: number }, channels: 3 | 4) => ({
  raw: { width, height, channels },
});

async function toPng(image: RgbImage): Promise<Buffer> {
  return sharp(image.pixels, raw(image, 3)).png().toBuffer();
}

/** Rows and columns of a map, and the corner in the image from where each value covers a square of the stride. */
type MapArea = Readonly<Record<'rows' | 'columns' | 'left' | 'top', number>>;

/**
 * Draws the image in gray under the map in red, whose opacity grows with the posterior. Each value is at the center of
 * its window, and the outermost values continue to the edges.
 */
async function overlay(
  image: RgbImage,
  map: Float64Array,
  { rows, columns, left, top }: MapArea,
): Promise<Buffer> {
  const colors = new Uint8Array(4 * map.length);
  map.forEach((posterior, i) => {
    colors.set([220, 38, 38, Math.round(190 * posterior)], 4 * i);
  });
  // Pooling that rounds up gives positions whose squares reach beyond the image.
  const width = Math.min(columns * STRIDE, image.width - left);
  const height = Math.min(rows * STRIDE, image.height - top);
  const layer = await sharp(colors, raw({ width: columns, height: rows }, 4))
    .resize(columns * STRIDE, rows * STRIDE, { fit: 'fill', kernel: 'linear' })
    .extract({ left: 0, top: 0, width, height })
    .extend({
      left,
      top,
      right: image.width - left - width,
      bottom: image.height - top - height,
      extendWith: 'copy',
    })
    .png()
    .toBuffer();
  const gray = await sharp(image.pixels, raw(image, 3)).grayscale().toColorspace('srgb').png().toBuffer();
  return sharp(gray)
    .composite([{ input: layer }])
    .png()
    .toBuffer();
}
