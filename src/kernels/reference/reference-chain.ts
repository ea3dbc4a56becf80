/**
 * Runs a chain of layers forward and backward. A layer's backward pass needs only its input and its output's gradient,
 * so a training pass keeps only the tensors between layers.
 */
import type { Layer } from '../../core/layer.ts';
import type { Shape4 } from '../../core/shape.ts';
import { adaptivePoolBackward, adaptivePoolForward } from './adaptive-pool.ts';
import {
  convolutionBackwardBias,
  convolutionBackwardInput,
  convolutionBackwardWeight,
  convolutionForward,
} from './convolution.ts';
import { lrnBackward, lrnForward } from './lrn.ts';
import { maxPoolBackward, maxPoolForward } from './max-pool.ts';
import type { ReferenceParameters } from './reference-parameters.ts';
import { applyDropout, reluBackward, reluForward } from './relu-and-dropout.ts';

export interface Chain {
  /** Named in error messages: `forward`, `accumulate` or `backward`. */
  readonly operation: string;
  readonly layers: readonly Layer[];
  /** The shapes of the input and of each layer's output, for n images. */
  readonly shapes: readonly Shape4[];
  readonly parameters: ReferenceParameters;
  /** `[n, 2]`; without them dropout is the identity. */
  readonly dropoutKeys: Uint32Array | undefined;
}

/** @returns the input, then each layer's output. */
export function forwardAlong(chain: Chain, input: Float32Array): Float32Array[] {
  const tensors = [input];
  chain.layers.forEach((_, index) => {
    tensors.push(forwardLayer(chain, index, tensors[index]!));
  });
  return tensors;
}

/** Computes the output of the layer with this index. */
export function forwardLayer(chain: Chain, index: number, input: Float32Array): Float32Array {
  const layer = chain.layers[index]!;
  const shape = chain.shapes[index]!;
  switch (layer.kind) {
    case 'convolution': {
      const [weight, bias] = tensorsOf(chain, 'values', layer.name);
      return convolutionForward(layer, shape, input, weight, bias);
    }
    case 'relu':
      return reluForward(input);
    case 'maxPool':
      return maxPoolForward(layer, shape, input);
    case 'adaptivePool':
      return adaptivePoolForward(layer, shape, input);
    case 'lrn':
      return lrnForward(layer, shape, input);
    case 'dropout':
      return applyDropout(layer, dropoutOrdinal(chain, index), input, chain.dropoutKeys);
  }
}

/**
 * Runs the chain backward and adds to the parameters' gradients.
 * @param tensors from `forwardAlong`
 * @param outputGradient ∂L/∂(the chain's output)
 * @returns ∂L/∂input, or undefined if not wanted
 */
export function backwardAlong(
  chain: Chain,
  tensors: readonly Float32Array[],
  outputGradient: Float32Array,
  inputGradientWanted: boolean,
): Float32Array | undefined {
  let gradient: Float32Array | undefined = outputGradient;
  for (let index = chain.layers.length - 1; index >= 0; index--) {
    gradient = backwardLayer(chain, index, tensors[index]!, gradient!, index > 0 || inputGradientWanted);
  }
  return gradient;
}

function backwardLayer(
  chain: Chain,
  index: number,
  input: Float32Array,
  outputGradient: Float32Array,
  inputGradientWanted: boolean,
): Float32Array | undefined {
  const layer = chain.layers[index]!;
  const shape = chain.shapes[index]!;
  switch (layer.kind) {
    case 'convolution': {
      const [weight] = tensorsOf(chain, 'values', layer.name);
      const [weightGradient, biasGradient] = tensorsOf(chain, 'gradients', layer.name);
      convolutionBackwardWeight(layer, shape, input, outputGradient, weightGradient);
      convolutionBackwardBias(chain.shapes[index + 1]!, outputGradient, biasGradient);
      // conv1_1 needs no gradient with respect to the image.
      return inputGradientWanted ? convolutionBackwardInput(layer, shape, weight, outputGradient) : undefined;
    }
    case 'relu':
      return reluBackward(input, outputGradient);
    case 'maxPool':
      return maxPoolBackward(layer, shape, input, outputGradient);
    case 'adaptivePool':
      return adaptivePoolBackward(layer, shape, input, outputGradient);
    case 'lrn':
      return lrnBackward(layer, shape, input, outputGradient);
    case 'dropout':
      return applyDropout(layer, dropoutOrdinal(chain, index), outputGradient, chain.dropoutKeys);
  }
}

function tensorsOf(chain: Chain, field: 'values' | 'gradients', name: string): [Float32Array, Float32Array] {
  const { operation, parameters } = chain;
  return [
    parameters.view(operation, field, `${name}.weight`),
    parameters.view(operation, field, `${name}.bias`),
  ];
}

/** The index of this layer among the chain's dropout layers. */
function dropoutOrdinal({ layers }: Chain, index: number): number {
  return layers.slice(0, index).filter(({ kind }) => kind === 'dropout').length;
}
