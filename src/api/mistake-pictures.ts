/** Pictures of images that a model is wrong about, with the dense score map of the class it named (paper, 3.2). */
import sharp from 'sharp';
import { wholeImage } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { ImageSource, RgbImage } from '../data/sources/source.ts';
import type { ImageResult } from '../evaluate/image-results.ts';
import { type LoadedModel, loadModels } from '../evaluate/load-model.ts';
import { softmax } from '../evaluate/softmax.ts';
import type { BackendName } from '../kernels/backend-options.ts';
import type { Mistake } from '../report/run-report.ts';

export interface MistakeRequest {
  readonly source: ImageSource;
  readonly modelFile: string;
  /** Smaller side Q. */
  readonly scale: number;
  readonly mistakes: readonly ImageResult[];
  readonly backend: BackendName;
}

export async function drawMistakes(request: MistakeRequest): Promise<Mistake[]> {
  const [model] = await loadModels([request.modelFile], { backend: request.backend });
  try {
    const drawn: Mistake[] = [];
    for (const mistake of request.mistakes) drawn.push(await drawMistake(request, model!, mistake));
    return drawn;
  } finally {
    model!.parameters.dispose();
  }
}

async function drawMistake(
  { source, scale }: MistakeRequest,
  { backend, parameters, facts }: LoadedModel,
  { image, label, top, loss }: ImageResult,
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
    const predicted = top[0]!;
    const map = posteriorsOfClass(scores, classes, predicted.index);
    return {
      name,
      label: facts.labels[label]!,
      predicted: facts.labels[predicted.index]!,
      probability: predicted.probability,
      labelProbability: Math.exp(-loss),
      picture: await toPng(scaled!),
      scoreMap: await overlay(scaled!, map, width, height),
    };
  } finally {
    program.dispose();
  }
}

/** The posterior of one class at each position of a map of scores `[classes, height, width]`. */
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

/** The image in grey under the map in red, from transparent at 0 to strong at 1. */
async function overlay(image: RgbImage, map: Float32Array, width: number, height: number): Promise<Buffer> {
  const colours = new Uint8Array(4 * map.length);
  map.forEach((posterior, i) => {
    colours.set([220, 38, 38, Math.round(190 * posterior)], 4 * i);
  });
  const layer = await sharp(colours, raw({ width, height }, 4))
    .resize(image.width, image.height, { fit: 'fill', kernel: 'linear' })
    .png()
    .toBuffer();
  const grey = await sharp(image.pixels, raw(image, 3)).greyscale().toColourspace('srgb').png().toBuffer();
  return sharp(grey)
    .composite([{ input: layer }])
    .png()
    .toBuffer();
}
