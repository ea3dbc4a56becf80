/**
 * The fast backend: 3×3 convolutions by our own kernels, other convolutions and matrix products by oneDNN, the
 * rest in C++, all on a thread of its own.
 */
import { availableParallelism } from 'node:os';
import { UsageError, UserError } from '../../core/errors.ts';
import { type Layer, parameterSpecs } from '../../core/layer.ts';
import { elementCount } from '../../core/shape.ts';
import type {
  Backend,
  CompileOptions,
  CompileTrainingOptions,
  MemoryPlan,
  Parameters,
  PlanMemoryOptions,
} from '../backend.ts';
import type { BackendOptions, KernelChoice, Precision } from '../backend-options.ts';
import type { Instruments, StageClock } from '../instruments.ts';
import { canonicalBytes } from '../tensor-views.ts';
import { checkChain, checkSpecs } from '../validate.ts';
import type { Addon, EngineHandle, Library, LoweredLayer } from './addon.ts';
import { loadAddon } from './load-addon.ts';
import { settled } from './native-call.ts';
import { NativeParameters, placesOf } from './native-parameters.ts';
import { type CompiledChain, NativeProgram, NativeTrainingProgram } from './native-program.ts';
import { ScheduleMemory } from './schedule-memory.ts';

type NativePrecision = Exclude<Precision, 'f16'>;

export interface NativeOptions extends BackendOptions {
  /** In training, float32 multiplies in every case. Default: `fp32`. */
  readonly precision?: NativePrecision;
  /**
   * Where it is remembered which schedules of our own kernels are fastest; `off`: the usual ones are taken, and nothing
   * is tried or remembered. Results are the same. Default: the environment's VERYDEEP_SCHEDULES, else the cache folder.
   */
  readonly schedules?: 'off' | ScheduleMemory;
}

/**
 * @throws UserError where the addon or the library under it is missing, with what to install, and where the
 * processor cannot multiply bfloat16.
 */
export function createNativeBackend(options: NativeOptions = {}): NativeBackend {
  const threads = options.threads ?? availableParallelism();
  if (options.precision === 'bf16' && options.kernels === 'onednn') {
    throw new UsageError("precision bf16 is for our own kernels: leave either it or oneDNN's kernels out");
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new UsageError(`the number of threads must be a whole number from 1 to 1024, not ${threads}`);
  }
  const { kernels = 'own', precision = 'fp32' } = options;
  return new NativeBackend(loadAddon(), { threads, kernels, precision, schedules: scheduleMemory(options) });
}

function scheduleMemory({ schedules }: NativeOptions): ScheduleMemory | undefined {
  if ((schedules ?? process.env.VERYDEEP_SCHEDULES) === 'off') return undefined;
  return schedules instanceof ScheduleMemory ? schedules : new ScheduleMemory();
}

interface Settings {
  readonly threads: number;
  readonly kernels: KernelChoice;
  readonly precision: NativePrecision;
  readonly schedules: ScheduleMemory | undefined;
}

export class NativeBackend implements Backend {
  readonly name = 'native';
  readonly description: string;
  readonly threads: number;
  readonly instruments: Instruments;
  readonly #addon: Addon;
  readonly #engine: EngineHandle;
  readonly #schedules: ScheduleMemory | undefined;

  constructor(addon: Addon, { threads, kernels, precision, schedules }: Settings) {
    const library = addon.library();
    const { version, isa } = library;
    const own = kernels === 'own' ? `own 3×3 kernels (${isaFor(precision, library)}), ` : '';
    this.description = `${own}oneDNN ${version}, ${isa}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
    this.threads = threads;
    this.#addon = addon;
    this.#schedules = schedules;
    this.#engine = addon.createEngine(
      threads,
      kernels === 'own',
      precision === 'bf16',
      schedules !== undefined,
      schedules?.lines ?? [],
    );
    this.instruments = {
      // What is awaited has been computed.
      finish: async () => {},
      parameterBytes: canonicalBytes,
      peakFlops: () => addon.peak(this.#engine),
      stageClock,
    };
  }

  createParameters(specs: Parameters['specs'], { training }: { training: boolean }): NativeParameters {
    return new NativeParameters(this.#addon, this.#engine, specs, training);
  }

  async compile(options: CompileOptions): Promise<NativeProgram> {
    return new NativeProgram(await this.#compile('compile', options, false, false));
  }

  async compileTraining(options: CompileTrainingOptions): Promise<NativeTrainingProgram> {
    if (!options.parameters.training) {
      throw new RangeError(
        'compileTraining: these parameters have no gradients; create them with { training: true }',
      );
    }
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
    const lowered = lower(layers, placesOf(specs));
    const use = await this.#addon.planMemory(
      this.#engine,
      counts,
      lowered,
      inputShape,
      training,
      inputGradient,
    );
    return { ...use, total: use.activations + use.gradients + use.transformedWeights + use.scratch };
  }

  async #compile(
    operation: string,
    { layers, inputShape, parameters }: CompileOptions,
    training: boolean,
    inputGradient: boolean,
  ): Promise<CompiledChain> {
    const own = this.#own(operation, parameters);
    const handle = own.handle(operation);
    const outputShape = checkChain(operation, layers, inputShape, own.specs).at(-1)!;
    const lowered = lower(layers, own.places);
    const call = this.#addon.compile(this.#engine, handle, lowered, inputShape, training, inputGradient);
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
    throw new TypeError(
      `${operation}: these parameters belong to another backend; create them with this one`,
    );
  }
}

/** The engine times its steps in any case. */
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

/** @throws UserError where there are no kernels for this precision. */
function isaFor(precision: NativePrecision, { ownIsa, bf16Isa }: Library): string {
  if (precision === 'fp32') return ownIsa;
  if (bf16Isa) return `${bf16Isa}, multiplying bfloat16`;
  throw new UserError(
    `precision bf16 needs a processor with AVX-512 BF16 (AMD Zen 4, Intel Cooper Lake or Sapphire Rapids, or newer), which this one (${ownIsa}) is not: leave it at fp32`,
  );
}

/** @param places of the parameters' tensors, by name */
function lower(layers: readonly Layer[], places: ReadonlyMap<string, number>): LoweredLayer[] {
  return layers.map((layer) =>
    layer.kind === 'convolution'
      ? { ...layer, weight: places.get(`${layer.name}.weight`)!, bias: places.get(`${layer.name}.bias`)! }
      : layer,
  );
}
