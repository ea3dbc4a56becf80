/**
 * Several GPUs of one machine as one backend (section 3.3): each batch is split over them and gradients are added, so
 * that trainer, evaluation and server need not know how many there are.
 */
import type { ParameterSpec } from '../../core/layer.ts';
import type {
  Backend,
  CompileOptions,
  CompileTrainingOptions,
  Instruments,
  ParameterOptions,
  Parameters,
  StageClock,
} from '../backend.ts';
import { checkChain, foreignParameters } from '../validate.ts';
import { GroupParameters } from './group-parameters.ts';
import { GroupProgram, GroupTrainingProgram } from './group-programs.ts';
import type { WebGpuBackend } from './webgpu-backend.ts';

export class GpuGroup implements Backend {
  readonly name = 'webgpu';
  readonly description: string;
  readonly threads = 1;
  readonly devices: number;
  readonly largestTensor: number;
  readonly instruments: Instruments;
  readonly #members: readonly WebGpuBackend[];
  /** Whether the same kernels give the same bits on all. */
  readonly #areAlike: boolean;
  /** Calls of inference that each GPU has not finished. */
  readonly #running: number[];

  /** @param members at least two, each with its own device */
  constructor(members: readonly WebGpuBackend[]) {
    this.#members = members;
    this.#running = members.map(() => 0);
    this.devices = members.length;
    this.largestTensor = Math.min(...members.map(({ largestTensor }) => largestTensor));
    const kinds = [...new Set(members.map(({ description }) => description.replace(/^WebGPU, /, '')))];
    this.#areAlike = kinds.length === 1;
    this.description = `WebGPU, ${members.length} GPUs: ${kinds.join('; ')}`;
    const { instruments } = members[0]!;
    this.instruments = {
      finish: async () => {
        await Promise.all(members.map((member) => member.instruments.finish()));
      },
      parameterBytes: (parameters) =>
        instruments.parameterBytes(this.#own('parameterBytes', parameters).members[0]!),
      stageClock: instruments.stageClock && firstOnesClock(instruments.stageClock),
    };
  }

  createParameters(specs: readonly ParameterSpec[], options: ParameterOptions): GroupParameters {
    const parameters = this.#members.map((member) => member.createParameters(specs, options));
    return new GroupParameters(parameters, this.#areAlike);
  }

  async compile({ layers, inputShape, parameters }: CompileOptions): Promise<GroupProgram> {
    const own = this.#own('compile', parameters);
    checkChain('compile', layers, inputShape, own.specs);
    const programs = await allOrNone(
      this.#members.map((member, at) => member.compile({ layers, inputShape, parameters: own.members[at]! })),
    );
    return new GroupProgram(programs, own, this.#running);
  }

  async compileTraining(options: CompileTrainingOptions): Promise<GroupTrainingProgram> {
    const { layers, inputShape } = options;
    const own = this.#own('compileTraining', options.parameters);
    const shapes = checkChain('compileTraining', layers, inputShape, own.specs);
    const [batch, channels, height, width] = inputShape;
    const most = Math.ceil(batch / this.devices);
    const programs = await allOrNone(
      this.#members.map((member, at) =>
        member.compileTraining({
          ...options,
          inputShape: [most, channels, height, width],
          parameters: own.members[at]!,
        }),
      ),
    );
    return new GroupTrainingProgram(programs, own, inputShape, shapes.at(-1)!);
  }

  #own(operation: string, parameters: Parameters): GroupParameters {
    if (!(parameters instanceof GroupParameters)) throw foreignParameters(operation);
    return parameters;
  }
}

/** Times the stages of the first GPU, which has its part of the batch. */
function firstOnesClock(clock: StageClock): StageClock {
  return {
    disturbs: clock.disturbs,
    watch(program, run) {
      if (program instanceof GroupProgram || program instanceof GroupTrainingProgram) {
        return clock.watch(program.members[0]!, run);
      }
      throw new TypeError('watch: this program belongs to another backend');
    },
  };
}

/** Programs, or the first error, after those that were compiled have been disposed. */
async function allOrNone<T extends { dispose(): void }>(compiling: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(compiling);
  const programs = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = settled.find((one) => one.status === 'rejected');
  if (!failed) return programs;
  for (const program of programs) program.dispose();
  throw failed.reason;
}
