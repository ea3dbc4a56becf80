/**
 * What the C++ addon gives. Its objects are opaque handles; typed arrays are read and written by its worker
 * thread until the promise settles. It rechecks memory safety only: options are checked before they get there.
 */
import type { Layer } from '../../core/layer.ts';
import type { MemoryPlan } from '../backend.ts';
import type { StageTime } from '../instruments.ts';

declare const kind: unique symbol;
export type EngineHandle = { readonly [kind]: 'engine' };
export type ParametersHandle = { readonly [kind]: 'parameters' };
export type ProgramHandle = { readonly [kind]: 'program' };

/** A layer, and for a convolution which of the parameters' tensors are its own. */
export type LoweredLayer = Layer & { readonly weight?: number; readonly bias?: number };

/** One run: n `images`, and the arrays that it reads or fills. */
export interface Run {
  readonly images: number;
  readonly input: Float32Array;
  readonly output: Float32Array;
  readonly dropoutKeys?: Uint32Array;
  readonly labels?: Int32Array;
  readonly gradientScale?: number;
  readonly losses?: Float32Array;
  readonly outputGradient?: Float32Array;
  readonly inputGradient?: Float32Array;
}

/** oneDNN's version and instruction set, and those of our own kernels: for float32, and for bfloat16 where there are any. */
export interface Library {
  readonly version: string;
  readonly isa: string;
  readonly ownIsa: string;
  readonly bf16Isa?: string;
}

export interface Addon {
  library(): Library;
  /**
   * @param ownKernels whether 3×3 convolutions run on our own kernels, else on oneDNN's
   * @param bf16 whether inference multiplies bfloat16, where `bf16Isa` is there
   * @param tune whether our own kernels try schedules that may be faster
   * @param schedules what `newSchedules` said before
   */
  createEngine(
    threads: number,
    ownKernels: boolean,
    bf16: boolean,
    tune: boolean,
    schedules: readonly string[],
  ): EngineHandle;
  /** What was found out since the last call, a line each: for what, tiles a block, whether threads share it. */
  newSchedules(engine: EngineHandle): string[];
  createParameters(
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
  ): ParametersHandle;
  /** @param field 0 values, 1 gradients, 2 velocities */
  read(
    engine: EngineHandle,
    parameters: ParametersHandle,
    field: number,
    tensor: number,
    to: Float32Array,
  ): Promise<void>;
  write(
    engine: EngineHandle,
    parameters: ParametersHandle,
    field: number,
    tensor: number,
    from: Float32Array,
  ): Promise<void>;
  update(
    engine: EngineHandle,
    parameters: ParametersHandle,
    learningRate: number,
    momentum: number,
    weightDecay: number,
    biasDecay: number,
  ): Promise<void>;
  /** All of a field's tensors, one after the other, in the native memory itself. */
  block(parameters: ParametersHandle, field: number): Float32Array;
  zeroGradients(engine: EngineHandle, parameters: ParametersHandle): Promise<void>;
  compile(
    engine: EngineHandle,
    parameters: ParametersHandle,
    layers: readonly LoweredLayer[],
    inputShape: readonly number[],
    training: boolean,
    inputGradient: boolean,
  ): Promise<{ readonly program: ProgramHandle; readonly memoryBytes: number }>;
  /** What `compile` would take, with none of it taken. @param counts values in each of the parameters' tensors */
  planMemory(
    engine: EngineHandle,
    counts: readonly number[],
    layers: readonly LoweredLayer[],
    inputShape: readonly number[],
    training: boolean,
    inputGradient: boolean,
  ): Promise<Omit<MemoryPlan, 'total'>>;
  forward(engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void>;
  /** @param gradientsReady called before the promise settles, each time with a lower number of a tensor */
  accumulate(
    engine: EngineHandle,
    program: ProgramHandle,
    run: Run,
    gradientsReady?: (tensor: number) => void,
  ): Promise<void>;
  backward(engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void>;
  /** Where the time of the program's last run went. */
  profile(engine: EngineHandle, program: ProgramHandle): Promise<readonly StageTime[]>;
  /** Floating-point operations a second that the engine's threads can do in registers. */
  peak(engine: EngineHandle): Promise<number>;
  /** Frees an object when the calls made before are done. Its handle is dead at once. */
  release(engine: EngineHandle, handle: ParametersHandle | ProgramHandle): void;
}
