/**
 * The interface of the C++ addon. Its objects are opaque handles. Its worker thread reads and writes typed arrays until
 * the promise settles. It rechecks only memory safety, as TypeScript has already checked the options.
 */
import type { Layer } from '../../core/layer.ts';
import type { MemoryPlan, StageTime } from '../backend.ts';

declare const kind: unique symbol;
export type EngineHandle = { readonly [kind]: 'engine' };
export type ParametersHandle = { readonly [kind]: 'parameters' };
export type ProgramHandle = { readonly [kind]: 'program' };

/** A layer; a convolution has the numbers of its tensors in the parameters. */
export type LoweredLayer = Layer & { readonly weight?: number; readonly bias?: number };

/** The arguments that define a program, besides the parameters. */
export type LoweredChain = readonly [
  layers: readonly LoweredLayer[],
  inputShape: readonly number[],
  training: boolean,
  inputGradient: boolean,
];

/** One run: the number of images, and the arrays that the run reads or fills. */
export interface Run {
  readonly images: number;
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly dropoutKeys?: Uint32Array;
  readonly labels?: Int32Array;
  readonly weights?: Float32Array;
  readonly labelSmoothing?: number;
  readonly targets?: Float32Array;
  readonly gradientScale?: number;
  readonly losses?: Float32Array;
  readonly outputGradient?: Float32Array;
  readonly inputGradient?: Float32Array;
}

/** The instruction set that the kernels use (`bf16Isa` only where supported). */
export interface Library {
  readonly isa: string;
  readonly bf16Isa?: string;
}

/** One tensor of a field (0 values, 1 gradients, 2 velocities), and the array to copy it to or from. */
type Access = readonly [
  engine: EngineHandle,
  parameters: ParametersHandle,
  field: number,
  tensor: number,
  data: Float32Array,
];

export interface Addon {
  library(): Library;
  /**
   * @param bf16 whether inference multiplies in bfloat16; needs `bf16Isa`
   * @param tune whether the kernels try other schedules to find the fastest
   * @param schedules lines that `newSchedules` returned earlier
   */
  createEngine(threads: number, bf16: boolean, tune: boolean, schedules: readonly string[]): EngineHandle;
  /** The file of this addon, which is also a Vulkan layer (see gpu_layer.cpp); empty or absent where it is none. */
  gpuLayerFile?(): string;
  /** Schedules found since the last call, one line each: convolution, tiles per block, do threads share a block. */
  newSchedules(engine: EngineHandle): string[];
  createParameters(
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
    rates: readonly number[],
  ): ParametersHandle;
  read(...access: Access): Promise<void>;
  write(...access: Access): Promise<void>;
  /** Like `write`, from the tensor's value number `offset` on. */
  writePart?(...access: [...access: Access, offset: number]): Promise<void>;
  update(
    engine: EngineHandle,
    parameters: ParametersHandle,
    learningRate: number,
    momentum: number,
    weightDecay: number,
    biasDecay: number,
  ): Promise<void>;
  /**
   * Returns the native memory of all tensors of a field, one after the other; not a copy. Undefined where JavaScript
   * cannot see it.
   */
  block(parameters: ParametersHandle, field: number): Float32Array | undefined;
  zeroGradients(engine: EngineHandle, parameters: ParametersHandle): Promise<void>;
  compile(
    engine: EngineHandle,
    parameters: ParametersHandle,
    ...chain: LoweredChain
  ): Promise<{ readonly program: ProgramHandle; readonly memoryBytes: number }>;
  /** Predicts what `compile` would allocate, without allocating it. @param counts number of values of each tensor */
  planMemory(
    engine: EngineHandle,
    counts: readonly number[],
    ...chain: LoweredChain
  ): Promise<Omit<MemoryPlan, 'total'>>;
  forward(engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void>;
  /** @param gradientsReady called with ever lower tensor numbers, before the promise settles */
  accumulate(
    engine: EngineHandle,
    program: ProgramHandle,
    run: Run,
    gradientsReady?: (tensor: number) => void,
  ): Promise<void>;
  backward(engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void>;
  /** Returns the times of the stages of the program's last run. */
  profile(engine: EngineHandle, program: ProgramHandle): Promise<readonly StageTime[]>;
  /** Measures how many floating-point operations per second the engine's threads can do in registers. */
  peak(engine: EngineHandle): Promise<number>;
  /** Frees an object once all earlier calls are done. The handle becomes invalid immediately. */
  release(engine: EngineHandle, handle: ParametersHandle | ProgramHandle): void;
}
