/**
 * The interface of a backend. A backend compiles a chain of layers for one input shape into a program. Programs share
 * parameters, so one network can run at many sizes. The TypeScript reference in ./reference is the specification, and
 * every other backend passes the same conformance suite.
 *
 * A backend runs calls in the order in which they were made, off the event loop where it can. Input arrays must not
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
  /** Human-readable: library, version, instruction set. */
  readonly description: string;
  /** Number of compute threads. */
  readonly threads: number;
  /** Number of GPUs that share each batch (default: 1). */
  readonly devices?: number;
  /** The largest tensor that fits in a device's buffer, in bytes (default: no limit). */
  readonly largestTensor?: number;
  /** What the backend can measure. */
  readonly instruments: Instruments;

  /** Creates parameters, all zero. With `training`, it also creates gradients and velocities. */
  createParameters(specs: readonly ParameterSpec[], options: ParameterOptions): Parameters;

  /**
   * Compiles a chain for inference: dropout is the identity, and nothing is kept for a backward pass.
   * @throws RangeError for layers that do not fit each other, the input or the parameters.
   * @throws UserError when memory runs out.
   */
  compile(options: CompileOptions): Promise<Program>;

  /**
   * Compiles a chain for training. The parameters must have been created with `training: true`.
   * @throws RangeError for layers that do not fit each other, the input or the parameters.
   * @throws UserError when memory runs out.
   */
  compileTraining(options: CompileTrainingOptions): Promise<TrainingProgram>;

  /**
   * Predicts the memory of a program without compiling it: `total` equals the `memoryBytes` of the program that
   * `compile` or `compileTraining` would return. Only the backends `native` and `wasm` have this method.
   *
   * @example
   * const plan = await backend.planMemory?.({ layers, inputShape: [32, 3, 224, 224], training: true });
   *
   * @throws RangeError for layers that do not fit each other or the input.
   */
  planMemory?(options: PlanMemoryOptions): Promise<MemoryPlan>;
}

export interface ParameterOptions {
  readonly training: boolean;
  /**
   * A factor on the learning rate for each tensor, in the order of the specs (default: 1). 0 freezes a tensor. Frozen
   * tensors before the first trained one have neither gradients nor velocities.
   */
  readonly rates?: readonly number[];
}

export interface CompileOptions {
  readonly layers: readonly Layer[];
  /** `[batch, channels, height, width]` */
  readonly inputShape: Shape4;
  /** Parameters created by the same backend. They may hold more tensors than the layers need. */
  readonly parameters: Parameters;
}

export interface CompileTrainingOptions extends CompileOptions {
  /** Whether `backward` also computes the gradient with respect to the input. Default: false. */
  readonly inputGradient?: boolean;
}

export interface PlanMemoryOptions extends Omit<CompileTrainingOptions, 'parameters'> {
  /** Whether to plan a training program. Default: false. */
  readonly training?: boolean;
}

/** The memory of a program in bytes, without the parameters themselves. */
export interface MemoryPlan {
  /** In training the activations of all layers, in inference those of the two layers that are alive at once. */
  readonly activations: number;
  /** Gradients of the two layers that are alive at once; 0 in inference. */
  readonly gradients: number;
  /** Copies of weights in the layouts of the kernels. Programs over the same parameters share them. */
  readonly transformedWeights: number;
  /** Working memory that the layers share, one at a time. */
  readonly scratch: number;
  /** The sum of the four. */
  readonly total: number;
}

export type ParameterField = 'values' | 'gradients' | 'velocities';

/** Named tensors in canonical layout. Each field is one contiguous block of its tensors, in the order of `specs`. */
export interface Parameters {
  readonly specs: readonly ParameterSpec[];
  /** The tensors with gradients and velocities: the last ones of `specs`; none without training. */
  readonly trained: readonly ParameterSpec[];
  readonly training: boolean;
  /** Returns a copy of one tensor. @throws RangeError for an unknown name. */
  read(field: ParameterField, name: string): Promise<Float32Array>;
  /** Overwrites one tensor. @throws RangeError for an unknown name, or data of another length. */
  write(field: ParameterField, name: string, data: Float32Array): Promise<void>;
  /**
   * Overwrites values of a tensor from an offset on, so that the rest need not be in memory. Only WebAssembly has this
   * method.
   * @throws RangeError for an unknown name, or data that reach beyond the tensor.
   */
  writePart?(name: string, data: Float32Array, offset: number): Promise<void>;
  /**
   * Takes one SGD step in Caffe's form with the accumulated gradients, each tensor at its own factor of the learning rate,
   * then sets them to zero.
   */
  update(step: SgdStep): Promise<void>;
  zeroGradients(): Promise<void>;
  /**
   * Returns the block of all gradients, those of `trained`, itself, not a copy, so that ranks can add up their gradients
   * in place. The caller must ensure that the backend does not use it at the same time. With a `gradientTransfer`, the
   * block holds only what that fetched.
   */
  gradientBlock(): Float32Array;
  /**
   * Gives all devices the first one's values and velocities. Present where updates round differently on each, so that
   * they drift apart by a few units in the last place per step; the trainer calls it before each checkpoint.
   */
  align?(): Promise<void>;
  /** Present where the gradients are not in this process's memory. */
  readonly gradientTransfer?: GradientTransfer;
  /**
   * Returns a tensor's values themselves, not a copy, so that a model can be read straight into them before any
   * program is compiled. Undefined where the values are not in this process's memory.
   * @throws RangeError for an unknown name.
   */
  place(name: string): Float32Array | undefined;
  /** Frees the memory. Dispose of programs over these parameters first. */
  dispose(): void;
}

/** Moves gradients between devices and the block in this process's memory (`gradientBlock`). */
export interface GradientTransfer {
  /**
   * Number of devices whose gradients add up to the batch's. With several, even a single process should exchange
   * gradients while the backward pass runs; otherwise `update` does it.
   */
  readonly devices: number;
  /**
   * Fills values `[begin, end)` of the block with the sum over the devices, added in their order.
   * @param bf16 rounds each device's term to bf16, which halves the bytes
   * @returns when all devices had computed these gradients, as `performance.now` gives it
   */
  fetch(begin: number, end: number, bf16: boolean): Promise<number>;
  /**
   * Replaces the gradients of every device by values `[begin, end)` of the block.
   * @param bf16 rounds them to bf16
   */
  store(begin: number, end: number, bf16: boolean): Promise<void>;
}

/** v ← momentum · v − learningRate · (g + decay · w), then w ← w + v; decay is biasDecay for biases. */
export interface SgdStep {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly biasDecay: number;
}

/** Common to programs for inference and for training. */
interface CompiledProgram {
  /** `[N, C, H, W]` of a full batch. */
  readonly inputShape: Shape4;
  /** `[N, C', H', W']` */
  readonly outputShape: Shape4;
  /** Memory of activations, gradients, and copies of weights in the kernels' layouts, in bytes. */
  readonly memoryBytes: number;
  /** Frees the memory once all earlier calls are done. */
  dispose(): void;
}

/** A chain of layers compiled for inference at one input shape. */
export interface Program extends CompiledProgram {
  /**
   * Runs the chain.
   * @param input `[n, C, H, W]` with 1 ≤ n ≤ N images. The backend pads the batch with zeros, which takes time but
   *   does not change the results.
   * @returns `[n, C', H', W']`
   */
  forward(input: Float32Array): Promise<Float32Array>;
}

/** Images, and the keys that determine their dropout masks. */
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
  /** `[n]`: a factor on each image's loss (default: 1). */
  readonly weights?: Float32Array;
  /** Share ε of the label's probability that is spread evenly over all classes, from 0 to below 1 (default: 0). */
  readonly labelSmoothing?: number;
  /**
   * `[n, k]`: with targets, the loss is the Euclidean one (appendix A): half the sum of (output label · k + j − target j)²
   * over j < k, times the weight. The outputs of other labels have no gradient; labels are below outputs / k.
   */
  readonly targets?: Float32Array;
}

/** The results of `accumulate`. */
export interface LossOutcome {
  /** `[n]`: the soft-max cross-entropy of each image with its smoothed label, in nats, or its Euclidean loss; times its weight. */
  readonly losses: Float32Array;
  /** `[n, classes]` */
  readonly logits: Float32Array;
}

/** A chain of layers compiled for training at one input shape. */
export interface TrainingProgram extends CompiledProgram {
  /**
   * Runs forward in training mode, computes the soft-max cross-entropy or Euclidean loss, and runs backward. Adds gradientScale · ∂(Σ
   * losses)/∂w to the parameters' gradients. With gradientScale 1/batch, the micro-batches of a batch add up to the
   * gradient of its mean loss. The chain's output must be `[N, classes, 1, 1]`.
   * @param onGradients called during the backward pass by backends that support it, and before the promise settles:
   *   the gradients of the tensor with this number (in the order of the specs) and of all later ones are final. If it
   *   returns a promise, a GPU continues with the layers below once that has settled.
   */
  accumulate(
    batch: LabeledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => unknown,
  ): Promise<LossOutcome>;
  /**
   * Runs forward in training mode, then backward from a given gradient. Adds to the parameters' gradients.
   * @param outputGradient `[n, C', H', W']`
   * @returns the output and, with the option `inputGradient` of `compileTraining`, the input's gradient `[n, C, H, W]`
   */
  backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }>;
}

/** What a backend can measure beyond wall-clock time. */
export interface Instruments {
  /** Resolves when the work of all calls is done; a call's own promise may settle earlier. */
  finish(): Promise<void>;
  /** Bytes of parameters in the backend's memory, with gradients and velocities. */
  parameterBytes(parameters: Parameters): number;
  /** Measures for a moment how many floating-point operations per second the threads can do in registers. */
  readonly peakFlops?: () => Promise<number>;
  readonly stageClock?: StageClock;
}

/** Measures how long each layer of a run takes. */
export interface StageClock {
  /** Whether measuring slows a run down, so that its total time is not representative. */
  readonly disturbs: boolean;
  /**
   * Measures one call of the program, which `run` must make.
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
  /** The backend's name for the algorithm. */
  readonly algorithm: string;
  readonly seconds: number;
}
