import type { Layer } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { LabeledInput, LossOutcome, Program, TrainingInput, TrainingProgram } from '../backend.ts';
import { checkAccumulate, checkAlive, checkBackward, checkForward } from '../validate.ts';
import { lossOf } from './euclidean-loss.ts';
import { backwardAlong, type Chain, forwardAlong, forwardLayer } from './reference-chain.ts';
import type { ReferenceParameters } from './reference-parameters.ts';

/** Shared by programs for inference and training. A call runs synchronously, so calls keep their order. */
class ReferenceProgramBase {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  readonly memoryBytes: number;
  readonly #layers: readonly Layer[];
  readonly #shapes: readonly Shape4[];
  readonly #parameters: ReferenceParameters;
  #disposed = false;

  /**
   * @param shapes of the input and of each layer's output, for a full batch
   * @param copies 1, or 2 if each of these tensors has a gradient
   */
  constructor(
    layers: readonly Layer[],
    shapes: readonly Shape4[],
    parameters: ReferenceParameters,
    copies: number,
  ) {
    this.inputShape = shapes[0]!;
    this.outputShape = shapes.at(-1)!;
    const values = shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
    this.memoryBytes = copies * values * Float32Array.BYTES_PER_ELEMENT;
    this.#layers = layers;
    this.#shapes = shapes;
    this.#parameters = parameters;
  }

  protected checkAlive(operation: string): void {
    checkAlive(operation, 'program', this.#disposed);
  }

  /** The chain, with shapes for n images. */
  protected chain(operation: string, images: number, dropoutKeys?: Uint32Array): Chain {
    const shapes = this.#shapes.map(([, ...rest]): Shape4 => [images, ...rest]);
    return { operation, layers: this.#layers, shapes, parameters: this.#parameters, dropoutKeys };
  }

  dispose(): void {
    this.#disposed = true;
  }
}

export class ReferenceProgram extends ReferenceProgramBase implements Program {
  constructor(layers: readonly Layer[], shapes: readonly Shape4[], parameters: ReferenceParameters) {
    super(layers, shapes, parameters, 1);
  }

  async forward(input: Float32Array): Promise<Float32Array> {
    this.checkAlive('forward');
    const chain = this.chain('forward', checkForward(this.inputShape, input));
    let tensor = input;
    for (let index = 0; index < chain.layers.length; index++) tensor = forwardLayer(chain, index, tensor);
    return tensor;
  }
}

export class ReferenceTrainingProgram extends ReferenceProgramBase implements TrainingProgram {
  readonly #inputGradient: boolean;

  constructor(
    layers: readonly Layer[],
    shapes: readonly Shape4[],
    parameters: ReferenceParameters,
    inputGradient: boolean,
  ) {
    super(layers, shapes, parameters, 2);
    this.#inputGradient = inputGradient;
  }

  async accumulate(batch: LabeledInput, gradientScale: number): Promise<LossOutcome> {
    this.checkAlive('accumulate');
    const images = checkAccumulate(this, batch, gradientScale);
    const chain = this.chain('accumulate', images, batch.dropoutKeys);
    const tensors = forwardAlong(chain, batch.input);
    const logits = tensors.at(-1)!;
    const { losses, gradient } = lossOf(logits, batch, gradientScale);
    backwardAlong(chain, tensors, gradient, false);
    return { losses, logits };
  }

  async backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }> {
    this.checkAlive('backward');
    const images = checkBackward(this, batch, outputGradient);
    const chain = this.chain('backward', images, batch.dropoutKeys);
    const tensors = forwardAlong(chain, batch.input);
    const gradient = backwardAlong(chain, tensors, outputGradient, this.#inputGradient);
    // If the first layer is not a convolution, it is computed even if not requested.
    return { output: tensors.at(-1)!, inputGradient: this.#inputGradient ? gradient : undefined };
  }
}
