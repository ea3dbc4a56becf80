/** Messages between a backend and its engine, which runs in a worker of Node's or of a browser's. */
import type { Layer } from '../../core/layer.ts';
import type { StageTime } from '../backend.ts';
import type { LoweredChain, Run } from '../native/addon.ts';
import type { WasmMemory, WasmModule } from './web-assembly.ts';

/** Starts an engine. */
export interface EngineStart {
  readonly module: WasmModule;
  /** More than one need shared memory. */
  readonly threads: number;
  /** Whether the module imports memory that workers share. */
  readonly shared: boolean;
  readonly tune: boolean;
}

/** What one more thread of the engine needs. */
export interface ThreadStart {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Address of the end of its stack. */
  readonly stack: number;
  readonly thread: number;
}

export type StartMessage = { readonly engine: EngineStart } | { readonly thread: ThreadStart };

/** Bytes of a program's memory: activations, gradients, scratch, transformed weights. */
export type MemoryParts = readonly [
  activations: number,
  gradients: number,
  scratch: number,
  transformedWeights: number,
];

/** The calls of an engine. Callers number parameters and programs. */
export interface EngineCalls {
  createParameters(
    id: number,
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
    rates: readonly number[],
  ): void;
  read(
    parameters: number,
    field: number,
    tensor: number,
    offset: number,
    count: number,
  ): Float32Array<ArrayBuffer>;
  /** Gives the data back, so that its memory is used again for the next piece rather than collected some time. */
  write(parameters: number, field: number, tensor: number, offset: number, data: Float32Array): Float32Array;
  update(parameters: number, ...step: readonly number[]): void;
  zeroGradients(parameters: number): void;
  compile(id: number, parameters: number, ...chain: LoweredChain): MemoryParts;
  planMemory(counts: readonly number[], ...chain: LoweredChain): MemoryParts;
  run(method: RunMethod, program: number, run: Run): Results;
  profile(program: number): readonly StageTime[];
  peak(): number;
  release(id: number): void;
}

export type RunMethod = 'forward' | 'accumulate' | 'backward';

/** The arrays that a run fills. */
export type Results = Partial<Record<'output' | 'losses' | 'inputGradient', Float32Array<ArrayBuffer>>>;

export interface Request {
  readonly call: keyof EngineCalls;
  readonly args: readonly unknown[];
}

/** A reply to the oldest request without one, or a tensor whose gradients are final. */
export type Reply =
  | { readonly ready: number }
  | { readonly result: unknown }
  | { readonly error: string; readonly code?: string };

/** The order of LayerSpec::Kind in native/kernels/program.hpp. */
export const layerKinds: readonly Layer['kind'][] = [
  'convolution',
  'relu',
  'maxPool',
  'adaptivePool',
  'lrn',
  'dropout',
];
