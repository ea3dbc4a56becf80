/**
 * Grad-CAM (Selvaraju et al., Visual Explanations from Deep Networks via Gradient-based Localization, 2017, section 3):
 * the maps of the last convolution, after its ReLU, each weighted by the mean gradient of a class's score with respect
 * to it. Negative sums, which speak against the class, are 0.
 *
 * The score is that of dense evaluation before the soft-max, averaged over positions.
 */
import { shapesAlong } from '../../core/layer.ts';
import { imagePlanes } from '../../data/pixels/crop.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import type { Backend, Parameters } from '../../kernels/backend.ts';
import type { Network } from '../../net/network.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import type { ClassMap } from './class-map.ts';
import { averageOverPositions, denseWindow } from './dense-score-map.ts';
import { withLabels } from './prediction-maps.ts';
import { differentiableScores } from './score-gradient.ts';
import { softmax, topClasses } from './softmax.ts';

export interface GradCamModel {
  readonly backend: Backend;
  readonly parameters: Parameters;
  readonly facts: Pick<ModelFacts, 'network' | 'labels' | 'meanRgb'>;
}

/**
 * The Grad-CAM map of a class. The backward pass takes the memory of a copy of the largest tensor, for D's fc6 411 MB.
 * @param image already rescaled
 * @param wanted class number (default: the most probable class)
 */
export async function gradCamOf(model: GradCamModel, image: RgbImage, wanted?: number): Promise<ClassMap> {
  const { network, labels, meanRgb } = model.facts;
  const [front, tail] = splitAtLastConvolution(network);
  const window = denseWindow(network.layers, image);
  const input = [1, 3, window.height, window.width] as const;
  const maps = await runChain(model, front, input, imagePlanes(image, meanRgb, window));
  const shape = shapesAlong(front, input).at(-1)!;
  const scores = await differentiableScores({ ...model, layers: tail }, shape, maps);
  const posteriors = softmax(averageOverPositions(scores.values, network.classes));
  const index = wanted ?? topClasses(posteriors, 1)[0]!.index;
  const gradient = await scores.gradient(index);
  const [, channels, rows, columns] = shape;
  const [shown] = withLabels([{ index, probability: posteriors[index]! }], labels);
  const stride = 2 ** front.filter(({ kind }) => kind === 'maxPool').length;
  return {
    rescaled: { width: image.width, height: image.height },
    ...{ rows, columns, left: window.left, top: window.top },
    effectiveStride: stride,
    window: stride,
    class: shown!,
    map: weightedSum(maps, gradient, channels),
  };
}

type Layers = Network['layers'];

/** The layers up to the ReLU of the last convolution, and the others. */
function splitAtLastConvolution({ layers }: Network): [front: Layers, tail: Layers] {
  const pool = layers.findLastIndex(({ kind }) => kind === 'maxPool');
  const last = layers.findLastIndex(({ kind }, i) => i < pool && kind === 'relu');
  // In inference, dropout is the identity.
  return [layers.slice(0, last + 1), layers.slice(last + 1).filter(({ kind }) => kind !== 'dropout')];
}

async function runChain(
  { backend, parameters }: GradCamModel,
  layers: Layers,
  inputShape: readonly [number, number, number, number],
  input: Float32Array,
): Promise<Float32Array> {
  const program = await backend.compile({ layers, inputShape, parameters });
  try {
    return await program.forward(input);
  } finally {
    program.dispose();
  }
}

/** @param maps and their gradient: `[C, H, W]` */
function weightedSum(maps: Float32Array, gradient: Float32Array, channels: number): number[] {
  const area = maps.length / channels;
  const sum = new Float64Array(area);
  for (let c = 0; c < channels; c++) {
    const part = gradient.subarray(c * area, (c + 1) * area);
    const weight = part.reduce((total, value) => total + value, 0) / area;
    for (let i = 0; i < area; i++) sum[i]! += weight * maps[c * area + i]!;
  }
  return Array.from(sum, (value) => Math.max(0, value));
}
