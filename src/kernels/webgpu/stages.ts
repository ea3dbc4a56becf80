/**
 * Turns a chain of layers into the stages that run on the GPU: a ReLU is part of the convolution before it, and dropout
 * exists only in training.
 */
import type {
  AdaptivePoolLayer,
  ConvolutionLayer,
  DropoutLayer,
  Layer,
  LrnLayer,
  MaxPoolLayer,
} from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';

export type Stage =
  | { readonly kind: 'convolution'; readonly layer: ConvolutionLayer; readonly relu: boolean }
  | { readonly kind: 'relu' }
  | { readonly kind: 'maxPool'; readonly layer: MaxPoolLayer }
  | { readonly kind: 'adaptivePool'; readonly layer: AdaptivePoolLayer }
  | { readonly kind: 'lrn'; readonly layer: LrnLayer }
  | {
      readonly kind: 'dropout';
      readonly layer: DropoutLayer;
      /** Index of this layer among the chain's dropout layers. */
      readonly ordinal: number;
    };

/** A stage with its input and output. */
export interface PlacedStage<S extends Stage = Stage> {
  readonly stage: S;
  /** Index of the layer in the chain. */
  readonly layer: number;
  readonly input: Shape4;
  readonly output: Shape4;
  /** Whether the input comes from a convolution with ReLU, so that it is 0 exactly where the ReLU's gradient is. */
  readonly afterRelu: boolean;
}

export type PlacedConvolution = PlacedStage<Stage & { readonly kind: 'convolution' }>;

export function isConvolution(placed: PlacedStage): placed is PlacedConvolution {
  return placed.stage.kind === 'convolution';
}

/** Whether the kernel covers the whole map, as in fc6 to fc8. The input's gradient is then a 1×1 convolution. */
export function coversMap({ stage, output }: PlacedConvolution): boolean {
  return stage.layer.padding === 0 && pixelsOf(output) === 1;
}

/** @param shapes of the input and of each layer's output, for a full batch */
export function stagesOf(
  layers: readonly Layer[],
  shapes: readonly Shape4[],
  training: boolean,
): PlacedStage[] {
  const placed: PlacedStage[] = [];
  let dropouts = 0;
  layers.forEach((layer, index) => {
    const last = placed.at(-1);
    const [input, output] = [shapes[index]!, shapes[index + 1]!];
    const afterRelu = last?.stage.kind === 'convolution' && last.stage.relu;
    const add = (stage: Stage) => placed.push({ stage, layer: index, input, output, afterRelu });
    switch (layer.kind) {
      case 'convolution':
        add({ kind: 'convolution', layer, relu: false });
        break;
      case 'relu':
        if (last?.stage.kind === 'convolution') {
          placed[placed.length - 1] = { ...last, stage: { ...last.stage, relu: true } };
        } else add({ kind: 'relu' });
        break;
      case 'dropout':
        if (training) add({ kind: 'dropout', layer, ordinal: dropouts });
        dropouts++;
        break;
      default:
        add({ kind: layer.kind, layer } as Stage);
    }
  });
  return placed;
}

/** Vectors of four channels per pixel. */
export function vectorsOf([, channels]: Shape4): number {
  return Math.ceil(channels / 4);
}

/** Vectors of four channels per image. */
export function imageVectorsOf(shape: Shape4): number {
  return pixelsOf(shape) * vectorsOf(shape);
}

export function pixelsOf([, , height, width]: Shape4): number {
  return height * width;
}

export function batchPixelsOf(shape: Shape4): number {
  return shape[0] * pixelsOf(shape);
}

/** Number of values of a tensor on the GPU, where channels are padded to vectors of four. */
export function paddedCount(shape: Shape4): number {
  return shape[0] * 4 * imageVectorsOf(shape);
}
