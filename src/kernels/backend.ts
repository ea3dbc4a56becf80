/**
 * What a backend must do. It compiles a chain of layers for one input shape into a program. Programs share parameters,
 * so one network can run at many sizes. The TypeScript reference in ./reference is the specification, and every other
 * backend passes the same conformance suite.
 *
 * A backend runs its calls in the order in which they were made, off the event loop where it can. Input arrays must not
 * change until the promise settles.
 */
import type { Layer, ParameterSpec } from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';

/**
 * Runs networks. Get one from `createBackend` or `openBackend`.
 *
 * @example
 * const backend = createBackend();
 * const parameters = backend.createParameters(network.parameters, { training: false });
 * const program = await backend.compile({ layers: network.layers, inputShape: [8, 3, 224, 224], parameters });
 * const scores = await program.forward(images); // Float32Array [8, 1000]
 */
export interface Backend {
  /** A `BackendName`. */
  readonly name: string;
  /** For people: library, version, instruction set. */
  readonly description: string;
  /** Threads that compute. */
  readonly threads: number;
  /** What it can measure of itself. */
  readonly instruments: Instruments;

  /** Makes parameters, all zero. With `training`, gradients and velocities too. */
  createParameters(specs: readonly ParameterSpec[], options: { training: boolean }): Parameters;

  /**
   * Compiles a chain for inference: dropout is the identity, and nothing is kept for a backward pass.
   * @throws RangeError for layers that do not fit each other, the input or the parameters.
   * @throws UserError when memory runs out.
   */
  compile(options: CompileOptions): Promise<Program>;

  /**
   * Compiles a chain for training. The parameters must have been made with `training: true`.
   * @throws RangeError for layers that do not fit each other, the input or the parameters.
   * @throws UserError when memory runs out.
   */
  compileTraining(options: CompileTrainingOptions): Promise<TrainingProgram>;

  /**
   * The memory that a program would take, without compiling it: `total` equals the `memoryBytes` of the program that
   * `compile` or `compileTraining` would make. Only the backend `native` has it.
   *
   * @example
   * const plan = await backend.planMemory?.({ layers, inputShape: [32, 3, 224, 224], training: true });
   *
   * @throws RangeError for layers that do not fit each other or the input.
   */
  planMemory?(options: PlanMemoryOptions): Promise<MemoryPlan>;
}

export interface CompileOptions {
  readonly layers: readonly Layer[];
  /** `[batch, channels, height, width]` */
  readonly inputShape: Shape4;
  /** Parameters of the same backend. They may hold more tensors than the layers need. */
  readonly parameters: Parameters;
}

export interface CompileTrainingOptions extends CompileOptions {
  /** Whether `backward` also computes the gradient with respect to the input. Default: false. */
  readonly inputGradient?: boolean;
}

export interface PlanMemoryOptions extends Omit<CompileTrainingOptions, 'parameters'> {
  /** Default: false, inference. */
  readonly training?: boolean;
}

/** Bytes that a program takes, apart from the parameters themselves. */
export interface MemoryPlan {
  /** In training those of all layers, in inference those of the two that are alive at once. */
  readonly activations: number;
  /** Gradients of the two layers that are alive at once; 0 in inference. */
  readonly gradients: number;
  /** Copies of weights in the layouts of the kernels. Programs over the same parameters share them. */
  readonly transformedWeights: number;
  /** Working memory that the layers use in turn. */
  readonly scratch: number;
  /** The sum of the four. */
  readonly total: number;
}

export type ParameterField = 'values' | 'gradients' | 'velocities';

/** Named tensors in canonical layout. Each field is one contiguous block, in the order of `specs`. */
export interface Parameters {
  readonly specs: readonly ParameterSpec[];
  readonly training: boolean;
  /** A copy of one tensor. @throws RangeError for an unknown name. */
  read(field: ParameterField, name: string): Promise<Float32Array>;
  /** @throws RangeError for an unknown name, or data of another length. */
  write(field: ParameterField, name: string, data: Float32Array): Promise<void>;
  /** One step of SGD in Caffe's form with the accumulated gradients, which it then sets to zero. */
  update(step: SgdStep): Promise<void>;
  zeroGradients(): Promise<void>;
  /**
   * The block of all gradients itself, not a copy, for callers who add up gradients of several programs. The caller
   * makes sure that the backend does not use it at the same time.
   */
  gradientBlock(): Float32Array;
  /**
   * The memory of a tensor's values itself, not a copy, so that a model can be read straight into it before any
   * program is compiled. Undefined where the backend's memory is not the process's.
   * @throws RangeError for an unknown name.
   */
  place(name: string): Float32Array | undefined;
  /** Frees the memory. Dispose of programs over these parameters first. */
  dispose(): void;
}

/** v ← momentum · v − learningRate · (g + decay · w), then w ← w + v; decay is biasDecay for biases. */
export interface SgdStep {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly biasDecay: number;
}

/** What programs of both kinds have. */
interface CompiledProgram {
  /** `[N, C, H, W]` of a full batch. */
  readonly inputShape: Shape4;
  /** `[N, C', H', W']` */
  readonly outputShape: Shape4;
  /** Memory of activations, gradients, and copies of weights in the kernels' layouts. */
  readonly memoryBytes: number;
  /** Frees the memory, once the calls made before are done. */
  dispose(): void;
}

/** A chain of layers compiled for inference at one input shape. */
export interface Program extends CompiledProgram {
  /**
   * Runs the chain.
   * @param input `[n, C, H, W]` with 1 ≤ n ≤ N images. The backend fills up the batch with zeros, which cost time but
   *   change nothing.
   * @returns `[n, C', H', W']`
   */
  forward(input: Float32Array): Promise<Float32Array>;
}

/** Images and the keys of their dropout masks. */
export interface TrainingInput {
  /** `[n, C, H, W]` with 1 ≤ n ≤ N images. */
  readonly input: Float32Array;
  /**
   * `[n, 2]`: for each image a key (two 32-bit words) from which its dropout masks are drawn. Value u (its index in the
   * image's `[C, H, W]`) of the chain's l-th dropout layer (from 0) takes word u mod 2 of
   * threefry2x32(key, l, ⌊u / 2⌋) and is dropped if that word is below rate · 2^32 (rounded). Without keys, dropout is
   * the identity.
   */
  readonly dropoutKeys?: Uint32Array;
}

export interface LabeledInput extends TrainingInput {
  /** `[n]`, each from 0 to classes − 1. */
  readonly labels: Int32Array;
}

/** The results of one pass over a micro-batch. */
export interface LossOutcome {
  /** `[n]`: soft-max cross-entropy of each image, in nats. */
  readonly losses: Float32Array;
  /** `[n, classes]` */
  readonly logits: Float32Array;
}

/** A chain of layers compiled for training at one input shape. */
export interface TrainingProgram extends CompiledProgram {
  /**
   * Forward in training mode, soft-max cross-entropy, backward. Adds gradientScale · ∂(Σ losses)/∂w to the
   * parameters' gradients: with gradientScale 1/batch over all of a batch's micro-batches, the gradient of
   * the batch's mean loss. The chain's output must be `[N, classes, 1, 1]`.
   * @param onGradients called during the backward pass, if the backend can tell, and before the promise settles: the
   *   gradients of the tensor with this number (in the order of the specs) and of all later ones are final
   */
  accumulate(
    batch: LabeledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => void,
  ): Promise<LossOutcome>;
  /**
   * Forward in training mode, then backward from a given gradient. Adds to the parameters' gradients.
   * @param outputGradient `[n, C', H', W']`
   * @returns the output and, with the option `inputGradient` of `compileTraining`, the input's gradient `[n, C, H, W]`
   */
  backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }>;
}

/** What a backend can measure of itself, beyond the wall clock. */
export interface Instruments {
  /** Resolves when all calls have been computed; a call's promise may settle earlier. */
  finish(): Promise<void>;
  /** Bytes that parameters take in the memory that the backend computes in, with gradients and velocities. */
  parameterBytes(parameters: Parameters): number;
  /** Floating-point operations per second that the threads can do in registers, measured for a moment. */
  readonly peakFlops?: () => Promise<number>;
  readonly stageClock?: StageClock;
}

/** Tells how much of a run's time each layer takes. */
export interface StageClock {
  /** Whether watching slows a run down, so that its total time says little. */
  readonly disturbs: boolean;
  /**
   * Lets `run` call the program once.
   * @returns the times of the call's stages, in the order in which they ran
   */
  watch(program: Program | TrainingProgram, run: () => Promise<unknown>): Promise<readonly StageTime[]>;
}

export type Pass = 'forward' | 'backward' | 'weight gradient' | 'input gradient';

/** The time of one layer in a run of a program. Layers fused with it count as part of it. */
export interface StageTime {
  /** Index in the chain that was compiled. */
  readonly layer: number;
  readonly pass: Pass;
  /** The algorithm, as the backend names it. */
  readonly algorithm: string;
  readonly seconds: number;
}
