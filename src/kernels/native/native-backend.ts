/** The fast backend: the C++ kernels, in an addon or as WebAssembly. Imports nothing of Node's. */
import type { RememberedLines } from '../../core/cache.ts';
import { UsageError, UserError } from '../../core/errors.ts';
import { type Layer, parameterSpecs } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type {
  Backend,
  CompileOptions,
  CompileTrainingOptions,
  Instruments,
  MemoryPlan,
  ParameterOptions,
  Parameters,
  PlanMemoryOptions,
  StageClock,
} from '../backend.ts';
import type { BackendName, Precision } from '../backend-options.ts';
import { canonicalBytes } from '../canonical-parameters.ts';
import { checkChain, checkSpecs, checkTrained, checkTraining, foreignParameters } from '../validate.ts';
import type { Addon, EngineHandle, Library, LoweredLayer } from './addon.ts';
import { NativeParameters, numbersOf } from './native-parameters.ts';
import { type CompiledNativeChain, NativeProgram, NativeTrainingProgram } from './native-program.ts';
import { settled } from './settled.ts';

export type NativePrecision = Exclude<Precision, 'f16'>;

/** @throws UsageError unless the number of threads is allowed. */
export function checkThreads(threads: number): void {
  if (Number.isInteger(threads) && threads >= 1 && threads <= 1024) return;
  throw new UsageError(`the number of threads must be a whole number from 1 to 1024, not ${threads}`);
}

interface Settings {
  /** Default: `native`. */
  readonly name?: BackendName;
  readonly threads: number;
  readonly precision: NativePrecision;
  readonly schedules: RememberedLines | undefined;
}

export class NativeBackend implements Backend {
  readonly name: BackendName;
  readonly description: string;
  readonly threads: number;
  /** Settles when calls can run; rejected with a UserError if they cannot. */
  readonly started: Promise<void> = Promise.resolve();
  readonly instruments: Instruments;
  readonly #addon: Addon;
  readonly #engine: EngineHandle;
  readonly #schedules: RememberedLines | undefined;

  constructor(addon: Addon, { name = 'native', threads, precision, schedules }: Settings) {
    this.name = name;
    const isa = isaFor(precision, addon.library());
    this.description = `${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    this.threads = threads;
    this.#addon = addon;
    this.#schedules = schedules;
    this.#engine = addon.createEngine(
      threads,
      precision === 'bf16',
      schedules !== undefined,
      schedules?.lines ?? [],
    );
    this.instruments = {
      // A call's promise settles only when its work is done.
      finish: async () => {},
      parameterBytes: canonicalBytes,
      peakFlops: () => addon.peak(this.#engine),
      stageClock,
    };
  }

  createParameters(specs: Parameters['specs'], options: ParameterOptions): NativeParameters {
    return new NativeParameters(this.#addon, this.#engine, specs, options);
  }

  async compile(options: CompileOptions): Promise<NativeProgram> {
    return new NativeProgram(await this.#compile('compile', options, false, false));
  }

  async compileTraining(options: CompileTrainingOptions): Promise<NativeTrainingProgram> {
    checkTraining('compileTraining', options.parameters);
    const inputGradient = options.inputGradient ?? false;
    const chain = await this.#compile('compileTraining', options, true, inputGradient);
    return new NativeTrainingProgram(chain, inputGradient);
  }

  async planMemory(options: PlanMemoryOptions): Promise<MemoryPlan> {
    const { layers, inputShape, training = false, inputGradient = false } = options;
    const specs = parameterSpecs(layers);
    checkSpecs(specs);
    checkChain('planMemory', layers, inputShape, specs);
    const counts = specs.map(({ shape }) => elementCount(shape));
    const lowered = lower(layers, numbersOf(specs));
    const chain = [lowered, inputShape, training, inputGradient] as const;
    const use = await this.#addon.planMemory(this.#engine, counts, ...chain);
    return { ...use, total: use.activations + use.gradients + use.transformedWeights + use.scratch };
  }

  async #compile(
    operation: string,
    { layers, inputShape, parameters }: CompileOptions,
    training: boolean,
    inputGradient: boolean,
  ): Promise<CompiledNativeChain> {
    const own = this.#own(operation, parameters);
    const handle = own.handle(operation);
    const outputShape = checkChain(operation, layers, inputShape, own.specs).at(-1)!;
    if (training) checkTrained(layers, own);
    const chain = [lower(layers, own.numbers), inputShape, training, inputGradient] as const;
    const call = this.#addon.compile(this.#engine, handle, ...chain);
    const { program, memoryBytes } = await settled(operation, call);
    const onRun = () => this.#remember();
    return { addon: this.#addon, parameters: own, program, memoryBytes, inputShape, outputShape, onRun };
  }

  #remember(): void {
    const news = this.#schedules ? this.#addon.newSchedules(this.#engine) : [];
    if (news.length > 0) this.#schedules!.add(news);
  }

  #own(operation: string, parameters: Parameters): NativeParameters {
    if (parameters instanceof NativeParameters && parameters.engine === this.#engine) return parameters;
    throw foreignParameters(operation);
  }
}

/** Costs nothing extra, as the engine always times its stages. */
const stageClock: StageClock = {
  disturbs: false,
  async watch(program, run) {
    if (!(program instanceof NativeProgram || program instanceof NativeTrainingProgram)) {
      throw new TypeError('watch: this program belongs to another backend');
    }
    await run();
    return program.profile();
  },
};

/** @throws UserError when this processor lacks the instructions for the precision. */
function isaFor(precision: NativePrecision, { isa, bf16Isa }: Library): string {
  if (precision === 'fp32') return isa;
  if (bf16Isa) return `${bf16Isa}, multiplying bfloat16`;
  throw new UserError(
    `precision bf16 needs a processor with AVX-512 BF16 (AMD Zen 4, Intel Cooper Lake or Sapphire Rapids, or newer), but this one only has ${isa}: use fp32`,
  );
}

/** @param numbers of the tensors in the parameters, by name */
function lower(layers: readonly Layer[], numbers: ReadonlyMap<string, number>): LoweredLayer[] {
  return layers.map((layer) =>
    layer.kind === 'convolution'
      ? { ...layer, weight: numbers.get(`${layer.name}.weight`)!, bias: numbers.get(`${layer.name}.bias`)! }
      : layer,
  );
}
