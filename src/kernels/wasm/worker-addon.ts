/** The interface of the C++ addon over an engine in a worker. */
import type { Addon, EngineHandle, Library, ParametersHandle, ProgramHandle, Run } from '../native/addon.ts';
import type {
  EngineCalls,
  MemoryParts,
  Reply,
  Request,
  Results,
  RunMethod,
  StartMessage,
} from './protocol.ts';
import type { WasmModule } from './web-assembly.ts';

/** A worker of Node's or of a browser's. */
export interface WorkerPort {
  post(message: StartMessage | Request): void;
  /** Calls back with each reply, or when the worker ends. */
  listen(onReply: (reply: Reply) => void, onEnd: (error: Error) => void): void;
  /** Whether the worker keeps a process alive. */
  hold(busy: boolean): void;
  end(): void;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly ready?: (tensor: number) => void;
}

export class WorkerAddon implements Addon {
  /** More than one only where workers share memory. */
  threads = 1;
  readonly #port: WorkerPort;
  readonly #waiting: Waiting[] = [];
  #isa = '';
  #handles = 0;
  #ended: Error | undefined;

  private constructor(port: WorkerPort) {
    this.#port = port;
    port.listen(
      (reply) => this.#take(reply),
      (error) => {
        this.#ended = error;
        for (const { reject } of this.#waiting.splice(0)) reject(error);
      },
    );
  }

  static async start(
    port: WorkerPort,
    module: WasmModule,
    threads: number,
    tune: boolean,
  ): Promise<WorkerAddon> {
    const addon = new WorkerAddon(port);
    const started = await addon.#send({ engine: { module, threads, tune } });
    addon.#isa = (started as { isa: string }).isa;
    addon.threads = threads;
    return addon;
  }

  library(): Library {
    return { isa: `WebAssembly with ${this.#isa}` };
  }

  createEngine(): EngineHandle {
    return this as unknown as EngineHandle;
  }

  newSchedules(): string[] {
    return [];
  }

  createParameters(
    counts: readonly number[],
    isBias: readonly boolean[],
    training: boolean,
    rates: readonly number[],
  ): ParametersHandle {
    const id = ++this.#handles;
    // A failure shows in the calls that use the parameters.
    this.#call('createParameters', id, counts, isBias, training, rates).catch(() => {});
    return id as unknown as ParametersHandle;
  }

  async read(_engine: EngineHandle, parameters: ParametersHandle, ...rest: [number, number, Float32Array]) {
    const [field, tensor, to] = rest;
    to.set(await this.#call('read', idOf(parameters), field, tensor));
  }

  async write(_engine: EngineHandle, parameters: ParametersHandle, ...rest: [number, number, Float32Array]) {
    await this.#call('write', idOf(parameters), ...rest);
  }

  async update(_engine: EngineHandle, parameters: ParametersHandle, ...step: number[]): Promise<void> {
    await this.#call('update', idOf(parameters), ...step);
  }

  /** The engine's memory is in another worker. */
  block(): undefined {
    return undefined;
  }

  async zeroGradients(_engine: EngineHandle, parameters: ParametersHandle): Promise<void> {
    await this.#call('zeroGradients', idOf(parameters));
  }

  async compile(...[, parameters, ...chain]: Parameters<Addon['compile']>) {
    const id = ++this.#handles;
    const parts = await this.#call('compile', id, idOf(parameters), ...chain);
    const memoryBytes = parts.reduce((sum, part) => sum + part, 0);
    return { program: id as unknown as ProgramHandle, memoryBytes };
  }

  async planMemory(...[, counts, ...chain]: Parameters<Addon['planMemory']>) {
    const parts: MemoryParts = await this.#call('planMemory', counts, ...chain);
    const [activations, gradients, scratch, transformedWeights] = parts;
    return { activations, gradients, scratch, transformedWeights };
  }

  async forward(_engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void> {
    await this.#run('forward', program, run);
  }

  async accumulate(...[, program, run, ready]: Parameters<Addon['accumulate']>): Promise<void> {
    await this.#run('accumulate', program, run, ready);
  }

  async backward(_engine: EngineHandle, program: ProgramHandle, run: Run): Promise<void> {
    await this.#run('backward', program, run);
  }

  profile(_engine: EngineHandle, program: ProgramHandle) {
    return this.#call('profile', idOf(program));
  }

  peak(): Promise<number> {
    return this.#call('peak');
  }

  release(_engine: EngineHandle, handle: ParametersHandle | ProgramHandle): void {
    this.#call('release', idOf(handle)).catch(() => {});
  }

  /** Ends the worker. Later calls fail. */
  end(): void {
    this.#ended = new Error('the engine has ended');
    this.#port.end();
  }

  async #run(
    method: RunMethod,
    program: ProgramHandle,
    run: Run,
    ready?: (tensor: number) => void,
  ): Promise<void> {
    const request: Request = { call: 'run', args: [method, idOf(program), run] };
    const results = (await this.#send(request, ready)) as Results;
    for (const key of ['output', 'losses', 'inputGradient'] as const) {
      if (results[key]) run[key]!.set(results[key]);
    }
  }

  #call<Call extends keyof EngineCalls>(
    call: Call,
    ...args: Parameters<EngineCalls[Call]>
  ): Promise<ReturnType<EngineCalls[Call]>> {
    return this.#send({ call, args }) as Promise<ReturnType<EngineCalls[Call]>>;
  }

  async #send(message: StartMessage | Request, ready?: (tensor: number) => void): Promise<unknown> {
    if (this.#ended) throw this.#ended;
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ resolve, reject, ready }) === 1) this.#port.hold(true);
      this.#port.post(message);
    });
  }

  #take(reply: Reply): void {
    if ('ready' in reply) {
      this.#waiting[0]?.ready?.(reply.ready);
      return;
    }
    const { resolve, reject } = this.#waiting.shift()!;
    if (this.#waiting.length === 0) this.#port.hold(false);
    if ('error' in reply) reject(Object.assign(new Error(reply.error), reply.code && { code: reply.code }));
    else resolve('started' in reply ? reply.started : reply.result);
  }
}

function idOf(handle: ParametersHandle | ProgramHandle): number {
  return handle as unknown as number;
}
