/**
 * What a backend must do. A chain of layers and an input shape are compiled once into a program; programs
 * share parameters, so that one network can run at many sizes. The TypeScript reference in ./reference is
 * the specification; every other backend passes the same conformance suite.
 *
 * Calls on one backend are executed in the order they were made, off the event loop where the backend can.
 * Input arrays must not be changed until the promise settles.
 */
import type { Layer, ParameterSpec } from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import type { Instruments } from './instruments.ts';

export interface Backend {
  /** A `BackendName`. */
  readonly name: string;
  /** For people: library, version, instruction set. */
  readonly description: string;
  /** Threads that the arithmetic runs on. */
  readonly threads: number;
  /** What it can measure of itself. */
  readonly instruments: Instruments;

  /**
   * Makes parameters, all zero. With `training`, gradients and velocities too.
   */
  createParameters(specs: readonly ParameterSpec[], options: { training: boolean }): Parameters;

  /** Inference: dropout is the identity, nothing is kept for a backward pass. */
  compile(options: CompileOptions): Promise<Program>;

  /** Training: needs parameters made with `training`. */
  compileTraining(options: CompileTrainingOptions): Promise<TrainingProgram>;

  /**
   * The memory that a program would take, without compiling it: `total` equals the `memoryBytes` of the program that
   * `compile` or `compileTraining` would make. Absent where a backend cannot tell.
   * @throws RangeError for layers that do not fit each other or the input.
   */
  planMemory?(options: PlanMemoryOptions): Promise<MemoryPlan>;
}

export interface PlanMemoryOptions {
  readonly layers: readonly Layer[];
  /** `[batch, channels, height, width]` */
  readonly inputShape: Shape4;
  /** Default: false, inference. */
  readonly training?: boolean;
  /** In training, whether the gradient with respect to the input is computed. Default: false. */
  readonly inputGradient?: boolean;
}

/** Bytes, apart from the parameters themselves. */
export interface MemoryPlan {
  /** In training of all layers, in inference of the two that are alive at once. */
  readonly activations: number;
  /** Of the two layers whose gradients are alive at once; 0 in inference. */
  readonly gradients: number;
  /** Copies of weights in the layouts of the kernels. Programs over the same parameters share them. */
  readonly transformedWeights: number;
  /** Working memory that the layers use in turn. */
  readonly scratch: number;
  /** The sum of the four. */
  readonly total: number;
}

export interface CompileOptions {
  readonly layers: readonly Layer[];
  /** `[batch, channels, height, width]` */
  readonly inputShape: Shape4;
  readonly parameters: Parameters;
}

export interface CompileTrainingOptions extends CompileOptions {
  /** Whether `backward` also computes the gradient with respect to the input. Default false. */
  readonly inputGradient?: boolean;
}

export type ParameterField = 'values' | 'gradients' | 'velocities';

/**
 * Named tensors in canonical layout, one contiguous block a field, in the order of `specs`.
 */
export interface Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly training: boolean;
  /** A copy of one tensor. @throws RangeError for a name that is not there. */
  read(field: ParameterField, name: string): Promise<Float32Array>;
  /** @throws RangeError for a name that is not there, or another length. */
  write(field: ParameterField, name: string, data: Float32Array): Promise<void>;
  /** One step of SGD in Caffe's form with the accumulated gradients, which are then zero. */
  update(step: SgdStep): Promise<void>;
  zeroGradients(): Promise<void>;
  /**
   * The block of all gradients itself, not a copy, for those who add up gradients of several programs. Whoever
   * reads or changes it sees to it that the backend does not, at that time.
   */
  gradientBlock(): Float32Array;
  /**
   * The place of a tensor's values itself, not a copy, so that a model can be read straight into it before any
   * program is compiled; undefined where the backend's memory is not the process's own.
   * @throws RangeError for a name that is not there.
   */
  place(name: string): Float32Array | undefined;
  /** Frees the memory. Programs over these parameters must be disposed of first. */
  dispose(): void;
}

/** v ← momentum · v − learningRate · (g + decay · w), then w ← w + v; decay is biasDecay for biases. */
export interface SgdStep {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly biasDecay: number;
}

export interface Program {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  /** Memory for activations and private copies of weights. */
  readonly memoryBytes: number;
  /**
   * Runs the chain.
   * @param input `[n, C, H, W]` with 1 ≤ n ≤ N images; the batch is filled up with zeros, which cost time but change nothing.
   * @returns `[n, C', H', W']`
   */
  forward(input: Float32Array): Promise<Float32Array>;
  dispose(): void;
}

/** Images and what dropout needs to know of them. */
export interface TrainingInput {
  /** `[n, C, H, W]` with 1 ≤ n ≤ N images. */
  readonly input: Float32Array;
  /**
   * `[n, 2]`: for each image a key (two 32-bit words) from which its dropout masks are drawn. Value u (its
   * place in the image's `[C, H, W]`) of the chain's l-th dropout layer (from 0) takes word u mod 2 of
   * threefry2x32(key, l, ⌊u / 2⌋) and is dropped if that word is below rate · 2^32 (rounded). Without keys
   * nothing is dropped and nothing is scaled.
   */
  readonly dropoutKeys?: Uint32Array;
}

export interface LabelledInput extends TrainingInput {
  /** `[n]`, each from 0 to classes − 1. */
  readonly labels: Int32Array;
}

/** What one pass over a micro-batch gives. */
export interface LossOutcome {
  /** `[n]`: soft-max cross-entropy of each image, in nats. */
  readonly losses: Float32Array;
  /** `[n, classes]` */
  readonly logits: Float32Array;
}

export interface TrainingProgram {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  readonly memoryBytes: number;
  /**
   * Forward in training mode, soft-max cross-entropy, backward. Adds gradientScale · ∂(Σ losses)/∂w to the
   * parameters' gradients: with gradientScale 1/batch over all of a batch's micro-batches, the gradient of
   * the batch's mean loss. The chain's output must be `[N, classes, 1, 1]`.
   * @param onGradients called while the backward pass goes on, if the backend can tell, and before the promise
   *   settles: from the tensor of this number (in the order of the specs) on, no gradient will change any more
   */
  accumulate(
    batch: LabelledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => void,
  ): Promise<LossOutcome>;
  /**
   * Forward in training mode, then backward from a given gradient; adds to the parameters' gradients.
   * @param outputGradient `[n, C', H', W']`
   * @returns the output and, where it was asked for at compilation, the input's gradient `[n, C, H, W]`
   */
  backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }>;
  dispose(): void;
}
