/** Draws pictures of mistakes with the evidence for the predicted class. */
import sharp from 'sharp';
import { imagePlanes } from '../data/pixels/crop.ts';
import { prepareForEvaluation } from '../data/pixels/evaluation-images.ts';
import type { Window } from '../data/pixels/resample.ts';
import type { ImageSource, RgbImage } from '../data/sources/image-source.ts';
import { ImageClassifier } from '../evaluate/inference/image-classifier.ts';
import type { LoadedModel } from '../evaluate/inference/load-model.ts';
import { denseWindow, positionPosteriors } from '../evaluate/protocol/dense-score-map.ts';
import { occlusionMapOf } from '../evaluate/protocol/occlusion-map.ts';
import type { ImageResult } from '../evaluate/results/image-results.ts';
import { formatPercent } from './format.ts';
import type { Mistake } from './run-report.ts';

/** Pixels between the positions of a score map. */
const STRIDE = 32;
/** With fewer positions, a score map shows nothing; the image is occluded part by part instead. */
const FEWEST_POSITIONS = 9;

/** A map over a part of the image: what speaks for the predicted class, as a probability or a difference of two. */
interface Evidence {
  readonly values: Float64Array;
  readonly rows: number;
  readonly columns: number;
  readonly area: Window;
  /** Pixels between values, if the map may reach beyond the area, where it is cut (default: it fills the area). */
  readonly step?: number;
  readonly caption: (low: string, high: string) => string;
}

/** @param scale smaller side Q of the pictures, in pixels */
export async function drawMistake(
  model: LoadedModel,
  source: ImageSource,
  { image, label, top, loss }: ImageResult,
  scale: number,
): Promise<Mistake> {
  const { facts } = model;
  const name = source.imageName(image);
  const [scaled] = await prepareForEvaluation(await source.read(image), name, [scale], {
    colorProfiles: facts.colorProfiles,
    rounding: facts.publishedTest?.rounding,
  });
  const { index, probability } = top[0]!;
  const scores = await scoreMap(model, scaled!, index);
  const evidence = scores.values.length < FEWEST_POSITIONS ? await occlusions(model, scaled!, index) : scores;
  const [low, high] = rangeOf(evidence.values);
  return {
    name,
    label: facts.labels[label]!,
    predicted: facts.labels[index]!,
    probability,
    labelProbability: Math.exp(-loss),
    picture: await toPng(scaled!),
    scoreMap: await overlay(scaled!, evidence),
    evidence: evidence.caption(formatPercent(low), formatPercent(high)),
  };
}

function rangeOf(values: Float64Array): [low: number, high: number] {
  return [Math.min(...values), Math.max(...values)];
}

/** The posterior of a class at each position of dense evaluation (paper, section 3.2). */
async function scoreMap(model: LoadedModel, image: RgbImage, index: number): Promise<Evidence> {
  const { crop, layers } = model.facts.network;
  const window = denseWindow(layers, image);
  const { scores, rows, columns } = await forward(
    model,
    imagePlanes(image, model.facts.meanRgb, window),
    window,
  );
  const [values] = positionPosteriors({ scores, rows, columns }, [index]);
  // Each value is at the center of its window.
  const middle = (crop - STRIDE) / 2;
  const [left, top] = [window.left + middle, window.top + middle];
  // Pooling that rounds up gives positions whose squares reach beyond the image.
  const width = Math.min(columns * STRIDE, image.width - left);
  const height = Math.min(rows * STRIDE, image.height - top);
  return {
    values: values!,
    rows,
    columns,
    area: { left, top, width, height },
    step: STRIDE,
    caption: (low, high) => `its probability by position, from ${low} (clear) to ${high} % (red)`,
  };
}

/** By how much the posterior of a class falls when a square hides a part of the image. */
async function occlusions(model: LoadedModel, image: RgbImage, index: number): Promise<Evidence> {
  const { facts } = model;
  const classifier = new ImageClassifier({ ...model, network: facts.network, meanRgb: facts.meanRgb });
  try {
    const map = await occlusionMapOf({ classifier, facts }, image, { class: index });
    const { rows, columns, effectiveStride: step } = map;
    // Each value is at the center of its square.
    const [left, top] = [map.left, map.top].map((edge) => Math.max(0, edge + (map.window - step) / 2));
    return {
      values: Float64Array.from(map.map, (posterior) => Math.max(0, map.class.probability - posterior)),
      rows,
      columns,
      area: {
        left: Math.floor(left!),
        top: Math.floor(top!),
        width: Math.min(columns * step, image.width - Math.floor(left!)),
        height: Math.min(rows * step, image.height - Math.floor(top!)),
      },
      step,
      caption: (_, high) => `hiding the reddest part lowers its probability by ${high} points`,
    };
  } finally {
    classifier.close();
  }
}

/** @param planes of the window, `[3, height, width]` */
async function forward(
  { facts, backend, parameters }: LoadedModel,
  planes: Float32Array,
  { width, height }: Window,
) {
  const inputShape = [1, 3, height, width] as const;
  const program = await backend.compile({ layers: facts.network.layers, inputShape, parameters });
  try {
    const scores = await program.forward(planes);
    const [, , rows, columns] = program.outputShape;
    return { scores, rows, columns };
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

/** Opacity of the strongest evidence, of 255. */
const STRONGEST = 190;

/**
 * Draws the image in gray under the map in red: clear at the map's lowest value, strongest at its highest. The outermost
 * values continue to the edges.
 */
async function overlay(
  image: RgbImage,
  { values, rows, columns, area, step = 0 }: Evidence,
): Promise<Buffer> {
  const [low, high] = rangeOf(values);
  const colors = new Uint8Array(4 * values.length);
  values.forEach((value, i) => {
    const opacity = high > low ? (value - low) / (high - low) : 0;
    colors.set([220, 38, 38, Math.round(STRONGEST * opacity)], 4 * i);
  });
  const [width, height] = [Math.max(area.width, columns * step), Math.max(area.height, rows * step)];
  const layer = await sharp(colors, raw({ width: columns, height: rows }, 4))
    .resize(width, height, { fit: 'fill', kernel: 'linear' })
    .extract({ left: 0, top: 0, width: area.width, height: area.height })
    .extend({
      left: area.left,
      top: area.top,
      right: image.width - area.left - area.width,
      bottom: image.height - area.top - area.height,
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
