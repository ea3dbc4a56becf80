/** The kernels in a worker: calls from messages, one after another. */
import { messageOf } from '../../core/errors.ts';
import type { Layer } from '../../core/layer.ts';
import type { Pass, StageTime } from '../backend.ts';
import type { LoweredChain, LoweredLayer, Run } from '../native/addon.ts';
import { allocateMemory, instantiate, KernelError, textAt, workAsThread } from './instance.ts';
import {
  type EngineCalls,
  type EngineStart,
  layerKinds,
  type MemoryParts,
  type Reply,
  type Request,
  type Results,
  type RunMethod,
  type StartMessage,
  type ThreadStart,
} from './protocol.ts';
import type { WasmExports, WasmMemory } from './web-assembly.ts';

/** The worker's connection to its creator. */
export interface Port {
  post(reply: Reply, transfer?: readonly ArrayBuffer[]): void;
  /** Starts a worker that serves this message; resolves when it has posted something. */
  spawn(start: StartMessage): Promise<void>;
}

const STACK = 1 << 20;

/** Answers messages, one after another. @returns the function that takes each message */
export function serve(port: Port): (message: StartMessage | Request) => Promise<void> {
  let engine: Engine | undefined;
  let last: Promise<void> = Promise.resolve();
  const answer = async (message: StartMessage | Request) => {
    try {
      if ('thread' in message) {
        await workAsThread(message.thread, () => port.post({ result: undefined }));
      } else if ('engine' in message) {
        engine = await Engine.start(message.engine, port);
        port.post({ result: undefined });
      } else {
        const result = engine!.call(message);
        port.post({ result }, arraysIn(result));
      }
    } catch (error) {
      port.post({ error: messageOf(error), code: error instanceof KernelError ? error.code : undefined });
    }
  };
  return (message) => {
    // An engine takes a moment to start.
    last = last.then(() => answer(message));
    return last;
  };
}

/** The arrays that can be handed over instead of copied. */
function arraysIn(result: unknown): ArrayBuffer[] {
  if (result instanceof Float32Array) return [result.buffer as ArrayBuffer];
  if (typeof result !== 'object' || result === null || Array.isArray(result)) return [];
  return Object.values(result).flatMap(arraysIn);
}

class Engine implements EngineCalls {
  readonly #exports: WasmExports;
  readonly #memory: WasmMemory;
  /** Where the stack begins, for after an error. */
  readonly #stack: number;
  /** Addresses of parameters and programs, by the callers' numbers. */
  readonly #parameters = new Map<number, number>();
  readonly #programs = new Map<number, number>();
  /** Number of values of each tensor of the parameters. */
  readonly #counts = new Map<number, readonly number[]>();

  static async start({ module, threads, shared, tune }: EngineStart, port: Port): Promise<Engine> {
    const memory = allocateMemory(shared);
    const exports = await instantiate(module, memory, (ready) => port.post({ ready }));
    exports._initialize!();
    const engine = new Engine(exports, memory);
    exports.start!(threads, Number(tune));
    const starts = Array.from({ length: threads - 1 }, (_, i): ThreadStart => {
      const stack = exports.allocate!(STACK) + STACK;
      return { module, memory, stack, thread: i + 1 };
    });
    await Promise.all(starts.map((thread) => port.spawn({ thread })));
    return engine;
  }

  private constructor(exports: WasmExports, memory: WasmMemory) {
    this.#exports = exports;
    this.#memory = memory;
    this.#stack = exports.__stack_pointer.value;
  }

  /** @throws KernelError with the kernels' message */
  call({ call, args }: Request): unknown {
    try {
      return (this[call] as (...args: readonly unknown[]) => unknown)(...args);
    } catch (error) {
      this.#exports.__stack_pointer.value = this.#stack;
      throw error;
    }
  }

  createParameters(
    id: number,
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
    rates: readonly number[],
  ): void {
    this.#parameters.set(id, this.#newParameters(counts, isBias, training, rates, false));
    this.#counts.set(id, counts);
  }

  read(
    parameters: number,
    field: number,
    tensor: number,
    offset: number,
    count: number,
  ): Float32Array<ArrayBuffer> {
    return new Float32Array(this.#tensor(parameters, field, tensor).subarray(offset, offset + count));
  }

  write(parameters: number, field: number, tensor: number, offset: number, data: Float32Array): Float32Array {
    this.#tensor(parameters, field, tensor).set(data, offset);
    if (field === 0) this.#exports.written!(this.#own(parameters), tensor);
    return data;
  }

  update(parameters: number, ...step: readonly number[]): void {
    this.#exports.update!(this.#own(parameters), ...step);
  }

  zeroGradients(parameters: number): void {
    this.#exports.zeroGradients!(this.#own(parameters));
  }

  compile(id: number, parameters: number, ...chain: LoweredChain): MemoryParts {
    const program = this.#newProgram(this.#own(parameters), chain);
    this.#programs.set(id, program);
    return this.#memoryParts(program);
  }

  planMemory(counts: readonly number[], ...chain: LoweredChain): MemoryParts {
    const parameters = this.#newParameters(
      counts,
      counts.map(() => false),
      chain[2],
      counts.map(() => 1),
      true,
    );
    const program = this.#newProgram(parameters, chain);
    const parts = this.#memoryParts(program);
    this.#exports.releaseProgram!(program);
    this.#exports.releaseParameters!(parameters);
    return parts;
  }

  run(method: RunMethod, program: number, run: Run): Results {
    const address = this.#programs.get(program)!;
    const {
      images,
      input,
      output,
      dropoutKeys,
      labels,
      weights,
      labelSmoothing = 0,
      targets,
      gradientScale = 0,
    } = run;
    const { losses, outputGradient, inputGradient } = run;
    const read = [input, dropoutKeys, labels, weights, targets, outputGradient];
    return this.#with([...read, output, losses, inputGradient], (...at) => {
      const [inputAt, keysAt, labelsAt, weightsAt, targetsAt, outputGradientAt, ...filled] = at as number[];
      const [outputAt, lossesAt, inputGradientAt] = filled;
      this.#exports.setBatch!(
        images,
        inputAt!,
        outputAt!,
        keysAt!,
        labelsAt!,
        weightsAt!,
        labelSmoothing,
        targetsAt!,
        (targets?.length ?? 0) / images,
        gradientScale,
        lossesAt!,
        outputGradientAt!,
        inputGradientAt!,
      );
      this.#exports[method]!(address);
      const copy = (from: number, like: Float32Array | undefined) =>
        like && new Float32Array(this.#floats(from, like.length));
      return {
        output: copy(outputAt!, output),
        losses: copy(lossesAt!, losses),
        inputGradient: copy(inputGradientAt!, inputGradient),
      };
    });
  }

  profile(program: number): readonly StageTime[] {
    const lines = textAt(this.#memory, this.#exports.stages!(this.#programs.get(program)!)).split('\n');
    return lines.slice(0, -1).map((line) => {
      const [layer, pass, algorithm, nanoseconds] = line.split('\t') as [string, Pass, string, string];
      return { layer: Number(layer), pass, algorithm, seconds: Number(nanoseconds) / 1e9 };
    });
  }

  peak(): number {
    return this.#exports.peak!();
  }

  release(id: number): void {
    const program = this.#programs.get(id);
    const parameters = this.#parameters.get(id);
    if (program !== undefined) this.#exports.releaseProgram!(program);
    if (parameters !== undefined) this.#exports.releaseParameters!(parameters);
    this.#programs.delete(id);
    this.#parameters.delete(id);
    this.#counts.delete(id);
  }

  #own(parameters: number): number {
    const address = this.#parameters.get(parameters);
    if (address !== undefined) return address;
    throw new KernelError('out of memory: the parameters could not be allocated', 'ERR_OUT_OF_MEMORY');
  }

  /** The view is valid until memory grows. */
  #tensor(parameters: number, field: number, tensor: number): Float32Array {
    const address = this.#exports.tensor!(this.#own(parameters), field, tensor);
    return this.#floats(address, this.#counts.get(parameters)![tensor]!);
  }

  #floats(address: number, count: number): Float32Array {
    return new Float32Array(this.#memory.buffer, address >>> 0, count);
  }

  #newParameters(
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
    rates: readonly number[],
    dryRun: boolean,
  ): number {
    const arrays = [counts, isBias.map(Number), rates].map((numbers) => Float64Array.from(numbers));
    const flags = [Number(training), Number(dryRun)];
    return this.#with(arrays, (...at) => this.#exports.createParameters!(...at, counts.length, ...flags));
  }

  #newProgram(parameters: number, [layers, inputShape, training, inputGradient]: LoweredChain): number {
    const arrays = [Float64Array.from(layers.flatMap(numbersOf)), Float64Array.from(inputShape)];
    return this.#with(arrays, (layersAt, shapeAt) =>
      this.#exports.createProgram!(
        parameters,
        layersAt!,
        layers.length,
        shapeAt!,
        Number(training),
        Number(inputGradient),
      ),
    );
  }

  #memoryParts(program: number): MemoryParts {
    return [0, 1, 2, 3].map((part) => this.#exports.memoryUse!(program, part)) as unknown as MemoryParts;
  }

  /** Calls f with the addresses of copies of the arrays; 0 for those that are undefined. */
  #with<T>(arrays: readonly (ArrayBufferView | undefined)[], f: (...at: readonly number[]) => T): T {
    const addresses: number[] = [];
    try {
      for (const array of arrays) {
        addresses.push(array ? this.#exports.allocate!(array.byteLength) >>> 0 : 0);
        if (!array) continue;
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        new Uint8Array(this.#memory.buffer).set(bytes, addresses.at(-1));
      }
      return f(...addresses);
    } finally {
      for (const address of addresses) this.#exports.deallocate!(address);
    }
  }
}

/** A layer as eight numbers (native/kernels/wasm/api.cpp). */
function numbersOf(layer: LoweredLayer): number[] {
  const numbers = [layerKinds.indexOf(layer.kind), ...optionsOf(layer)];
  return [...numbers, ...new Array<number>(8 - numbers.length).fill(0)];
}

function optionsOf(layer: Layer & { readonly weight?: number; readonly bias?: number }): number[] {
  switch (layer.kind) {
    case 'convolution': {
      const { kernel, padding, inChannels, outChannels, weight, bias } = layer;
      return [kernel, padding, inChannels, outChannels, weight!, bias!];
    }
    case 'maxPool':
      return [Number(layer.rounding === 'ceil')];
    case 'adaptivePool':
      return [layer.side, Number(layer.method === 'max')];
    case 'lrn':
      return [layer.size, layer.k, layer.alpha, layer.beta];
    case 'dropout':
      return [layer.rate];
    case 'relu':
      return [];
  }
}
