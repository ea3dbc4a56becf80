/** Draws pictures of mistakes with the dense score map of the predicted class (paper, section 3.2). */
import sharp from 'sharp';
import { wholeImage } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { ImageSource, RgbImage } from '../data/sources/image-source.ts';
import type { LoadedModel } from '../evaluate/inference/load-model.ts';
import { positionPosteriors } from '../evaluate/protocol/dense-score-map.ts';
import type { ImageResult } from '../evaluate/results/image-results.ts';
import type { Mistake } from './run-report.ts';

/** @param scale smaller side Q of the pictures, in pixels */
export async function drawMistake(
  { facts, backend, parameters }: LoadedModel,
  source: ImageSource,
  { image, label, top, loss }: ImageResult,
  scale: number,
): Promise<Mistake> {
  const name = source.imageName(image);
  const [scaled] = await prepareForEvaluation(await source.read(image), name, [scale]);
  const program = await backend.compile({
    layers: facts.network.layers,
    inputShape: [1, 3, scaled!.height, scaled!.width],
    parameters,
  });
  try {
    const scores = await program.forward(wholeImage(scaled!, facts.meanRgb));
    const [, , height, width] = program.outputShape;
    const { index, probability } = top[0]!;
    const [map] = positionPosteriors({ scores, rows: height, columns: width }, [index]);
    return {
      name,
      label: facts.labels[label]!,
      predicted: facts.labels[index]!,
      probability,
      labelProbability: Math.exp(-loss),
      picture: await toPng(scaled!),
      scoreMap: await overlay(scaled!, map!, width, height),
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

/** Draws the image in gray under the map in red, whose opacity grows with the posterior. */
async function overlay(image: RgbImage, map: Float64Array, width: number, height: number): Promise<Buffer> {
  const colors = new Uint8Array(4 * map.length);
  map.forEach((posterior, i) => {
    colors.set([220, 38, 38, Math.round(190 * posterior)], 4 * i);
  });
  const layer = await sharp(colors, raw({ width, height }, 4))
    .resize(image.width, image.height, { fit: 'fill', kernel: 'linear' })
    .png()
    .toBuffer();
  const gray = await sharp(image.pixels, raw(image, 3)).grayscale().toColorspace('srgb').png().toBuffer();
  return sharp(gray)
    .composite([{ input: layer }])
    .png()
    .toBuffer();
}
