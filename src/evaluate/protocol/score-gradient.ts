/**
 * The gradient of a class's score with respect to the input of a network's last layers. Backends compute such a gradient
 * only together with those of the weights, which take three times their memory; here one tensor is read at a time.
 */
import { EventLoopTurn } from '../../core/event-loop-turn.ts';
import { type ConvolutionLayer, type Layer, outputShape } from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';
import type { Backend, Parameters } from '../../kernels/backend.ts';
import { adaptivePoolBackward } from '../../kernels/reference/adaptive-pool.ts';
import { maxPoolBackward } from '../../kernels/reference/max-pool.ts';

interface Chain {
  readonly backend: Backend;
  readonly parameters: Parameters;
  /** Pooling, fully connected layers without padding, and ReLUs; no dropout. */
  readonly layers: readonly Layer[];
}

/** A layer with its input. */
interface Step {
  readonly layer: Layer;
  readonly shape: Shape4;
  readonly input: Float32Array;
}

export interface Scores {
  /** `[1, classes, rows, columns]` */
  readonly values: Float32Array;
  /** The gradient of the score of a class, averaged over positions, with respect to the input. @returns `[1, C, H, W]` */
  gradient(index: number): Promise<Float32Array>;
}

/** Runs the layers one after another, and keeps what a backward pass needs. @param input `[1, C, H, W]` */
export async function differentiableScores(
  chain: Chain,
  shape: Shape4,
  input: Float32Array,
): Promise<Scores> {
  const { backend, parameters, layers } = chain;
  const steps: Step[] = [];
  let [at, values] = [shape, input];
  for (const layer of layers) {
    steps.push({ layer, shape: at, input: values });
    const program = await backend.compile({ layers: [layer], inputShape: at, parameters });
    try {
      values = await program.forward(values);
      at = program.outputShape;
    } finally {
      program.dispose();
    }
  }
  const [, , rows, columns] = at;
  return {
    values,
    gradient: async (index) => {
      const positions = rows * columns;
      let gradient = new Float32Array(values.length);
      gradient.fill(1 / positions, index * positions, (index + 1) * positions);
      for (const step of steps.toReversed()) gradient = await backward(step, gradient, parameters);
      return gradient;
    },
  };
}

async function backward(
  { layer, shape, input }: Step,
  gradient: Float32Array<ArrayBuffer>,
  parameters: Parameters,
): Promise<Float32Array<ArrayBuffer>> {
  switch (layer.kind) {
    case 'relu':
      return gradient.map((value, i) => (input[i]! > 0 ? value : 0));
    case 'maxPool':
      return maxPoolBackward(layer, shape, input, gradient) as Float32Array<ArrayBuffer>;
    case 'adaptivePool':
      return adaptivePoolBackward(layer, shape, input, gradient) as Float32Array<ArrayBuffer>;
    case 'convolution':
      return throughWeights(layer, shape, gradient, await parameters.read('values', `${layer.name}.weight`));
    default:
      throw new RangeError(`no gradient of ${layer.name}, a ${layer.kind} layer`);
  }
}

/**
 * The convolution's input gradient, without padding. It reads the weights once, in their order, and lets other tasks run:
 * fc6 of the paper has 100 million.
 */
async function throughWeights(
  layer: ConvolutionLayer,
  shape: Shape4,
  gradient: Float32Array,
  weight: Float32Array,
): Promise<Float32Array<ArrayBuffer>> {
  const [, channels, height, width] = shape;
  const [, outChannels, rows, columns] = outputShape(layer, shape);
  const { kernel } = layer;
  const sums = new Float64Array(channels * height * width);
  const turn = new EventLoopTurn();
  for (let o = 0; o < outChannels; o++) {
    await turn.yieldIfDue();
    for (let position = 0; position < rows * columns; position++) {
      const factor = gradient[o * rows * columns + position]!;
      if (factor === 0) continue;
      const corner = Math.floor(position / columns) * width + (position % columns);
      let w = o * channels * kernel * kernel;
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < kernel; i++) {
          const row = (c * height + i) * width + corner;
          for (let j = 0; j < kernel; j++) sums[row + j]! += factor * weight[w++]!;
        }
      }
    }
  }
  return Float32Array.from(sums);
}
