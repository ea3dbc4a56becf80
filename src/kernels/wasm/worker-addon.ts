/** The interface of the C++ addon over an engine in a worker. */
import { messageOf, UserError } from '../../core/errors.ts';
import type { Addon, EngineHandle, Library, ParametersHandle, ProgramHandle, Run } from '../native/addon.ts';
import type {
  EngineCalls,
  EngineStart,
  MemoryParts,
  Reply,
  Request,
  Results,
  RunMethod,
  StartMessage,
} from './protocol.ts';

/** A worker of Node's or of a browser's. */
export interface WorkerPort {
  post(message: StartMessage | Request, transfer: readonly ArrayBuffer[]): void;
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

/** Tensors are copied in pieces of so many values, 16 MB, so that a large one is never in memory several times. */
const PIECE = 2 ** 22;

export class WorkerAddon implements Addon {
  /** Settles when the engine has started; rejected with a UserError if it does not. */
  readonly started: Promise<void>;
  /** Resolves when the engine ends before `end` is called. */
  readonly lost: Promise<UserError>;
  readonly #port: WorkerPort;
  readonly #isa: string;
  readonly #waiting: Waiting[] = [];
  #handles = 0;
  #ended: Error | undefined;
  /** Resolves when the next message may be posted: not between the pieces of a tensor. */
  #turn: Promise<void> = Promise.resolve();
  #lose: (error: UserError) => void = () => {};

  /** Starts the engine. Calls wait for it. @param isa the instructions that the module uses */
  constructor(port: WorkerPort, engine: EngineStart, isa: string) {
    this.#port = port;
    this.#isa = isa;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    port.listen(
      (reply) => this.#take(reply),
      (error) => this.#fail(`the WebAssembly kernels ended (${messageOf(error)})`, error),
    );
    this.started = this.#send({ engine }).then(
      () => {},
      (error) => {
        throw this.#fail(
          `the WebAssembly kernels do not start (${messageOf(error)}): update the browser or Node`,
          error,
        );
      },
    );
    // Calls fail, too, so nobody needs to wait for this promise.
    this.started.catch(() => {});
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
    await this.#inPieces(to.length, async (offset, count) => {
      const args = [idOf(parameters), field, tensor, offset, count];
      to.set((await this.#post({ call: 'read', args })) as Float32Array, offset);
    });
  }

  async write(_engine: EngineHandle, parameters: ParametersHandle, ...rest: [number, number, Float32Array]) {
    await this.writePart(_engine, parameters, ...rest, 0);
  }

  async writePart(...[, parameters, field, tensor, data, start]: Parameters<Required<Addon>['writePart']>) {
    let piece = new Float32Array(Math.min(PIECE, data.length));
    await this.#inPieces(data.length, async (offset, count) => {
      if (count < piece.length) piece = piece.slice(0, count);
      piece.set(data.subarray(offset, offset + count));
      const args = [idOf(parameters), field, tensor, start + offset, piece];
      piece = (await this.#post({ call: 'write', args }, undefined, [piece.buffer])) as typeof piece;
    });
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

  #fail(message: string, cause: unknown): Error {
    if (this.#ended) return this.#ended;
    const error = new UserError(message, { cause });
    this.#ended = error;
    this.#port.end();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#lose(error);
    return error;
  }

  /** Nothing else is posted between the pieces, so that calls run in the order in which they were made. */
  async #inPieces(length: number, copy: (offset: number, count: number) => Promise<void>): Promise<void> {
    const turn = this.#turn;
    let done = () => {};
    this.#turn = new Promise((resolve) => {
      done = resolve;
    });
    await turn;
    try {
      for (let offset = 0; offset < length; offset += PIECE) {
        await copy(offset, Math.min(PIECE, length - offset));
      }
    } finally {
      done();
    }
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
    await this.#turn;
    return this.#post(message, ready);
  }

  async #post(
    message: StartMessage | Request,
    ready?: (tensor: number) => void,
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<unknown> {
    if (this.#ended) throw this.#ended;
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ resolve, reject, ready }) === 1) this.#port.hold(true);
      this.#port.post(message, transfer);
    });
  }

  #take(reply: Reply): void {
    if ('ready' in reply) {
      this.#waiting[0]?.ready?.(reply.ready);
      return;
    }
    const call = this.#waiting.shift();
    if (!call) return;
    const { resolve, reject } = call;
    if (this.#waiting.length === 0) this.#port.hold(false);
    if ('error' in reply) reject(Object.assign(new Error(reply.error), reply.code && { code: reply.code }));
    else resolve(reply.result);
  }
}

function idOf(handle: ParametersHandle | ProgramHandle): number {
  return handle as unknown as number;
}
