/** Pictures of mistakes, with the dense score map of the predicted class (paper, section 3.2). */
import sharp from 'sharp';
import { wholeImage } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { ImageSource, RgbImage } from '../data/sources/source.ts';
import type { ImageResult } from '../evaluate/image-results.ts';
import { softmax } from '../evaluate/softmax.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import type { Mistake } from './run-report.ts';

/** A model whose weights are in a backend. */
interface Model {
  readonly facts: ModelFacts;
  readonly backend: Backend;
  readonly parameters: Parameters;
}

/** @param scale smaller side Q of the pictures, in pixels */
export async function drawMistake(
  { facts, backend, parameters }: Model,
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
    const [, classes, height, width] = program.outputShape;
    const { index, probability } = top[0]!;
    return {
      name,
      label: facts.labels[label]!,
      predicted: facts.labels[index]!,
      probability,
      labelProbability: Math.exp(-loss),
      picture: await toPng(scaled!),
      scoreMap: await overlay(scaled!, posteriorsOfClass(scores, classes, index), width, height),
    };
  } finally {
    program.dispose();
  }
}

/** The posterior of one class at each position of the score map `[classes, height, width]`. */
function posteriorsOfClass(scores: Float32Array, classes: number, index: number): Float32Array {
  const positions = scores.length / classes;
  return Float32Array.from({ length: positions }, (_, position) => {
    const own = Float32Array.from({ length: classes }, (_, c) => scores[c * positions + position]!);
    return softmax(own)[index]!;
  });
}

const raw = ({ width, height }: { width: number; height: number }, channels: 3 | 4) => ({
  raw: { width, height, channels },
});

async function toPng(image: RgbImage): Promise<Buffer> {
  return sharp(image.pixels, raw(image, 3)).png().toBuffer();
}

/** The image in gray under the map in red, whose opacity grows with the posterior. */
async function overlay(image: RgbImage, map: Float32Array, width: number, height: number): Promise<Buffer> {
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
