/** The backend for GPUs. It plans the shaders in ./shaders into programs that submit one command buffer per call. */
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
import { checkChain, checkTrained, checkTraining, foreignParameters } from '../validate.ts';
import { CompiledGpuChain } from './compiled-chain.ts';
import type { Gpu } from './gpu.ts';
import { hasClock } from './gpu-clock.ts';
import { GpuParameters } from './gpu-parameters.ts';
import { compileInference, type GpuProgram } from './inference-program.ts';
import { compileParameterPipelines, type ParameterPipelines } from './parameter-pipelines.ts';
import { compileTraining, type GpuTrainingProgram } from './training-program.ts';

/** @throws Error when the shaders do not compile on this device. */
export async function createWebGpuBackend(gpu: Gpu): Promise<WebGpuBackend> {
  return new WebGpuBackend(gpu, await compileParameterPipelines(gpu));
}

export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly description: string;
  /** In this process; threads on the GPU do not count. */
  readonly threads = 1;
  readonly largestTensor: number;
  readonly gpu: Gpu;
  readonly instruments: Instruments;
  readonly #pipelines: ParameterPipelines;

  constructor(gpu: Gpu, pipelines: ParameterPipelines) {
    this.gpu = gpu;
    this.largestTensor = Math.min(gpu.limits.bindingBytes, gpu.limits.bufferBytes);
    this.instruments = {
      finish: () => gpu.device.queue.onSubmittedWorkDone(),
      parameterBytes,
      stageClock: hasClock(gpu) ? stageClock : undefined,
    };
    this.#pipelines = pipelines;
    const kind = gpu.isSoftware ? ', software rendering on the CPU (slow)' : '';
    this.description = `WebGPU, ${gpu.description}${kind}${gpu.precision === 'f16' ? ', f16' : ''}`;
  }

  createParameters(specs: readonly ParameterSpec[], options: ParameterOptions): GpuParameters {
    return new GpuParameters(this.gpu, this.#pipelines, specs, options);
  }

  async compile({ layers, inputShape, parameters }: CompileOptions): Promise<GpuProgram> {
    const own = this.#own('compile', parameters);
    return compileInference(own, layers, checkChain('compile', layers, inputShape, own.specs));
  }

  async compileTraining(options: CompileTrainingOptions): Promise<GpuTrainingProgram> {
    const { layers, inputShape, inputGradient = false } = options;
    const own = this.#own('compileTraining', options.parameters);
    checkTraining('compileTraining', own);
    const shapes = checkChain('compileTraining', layers, inputShape, own.specs);
    checkTrained(layers, own);
    return compileTraining(own, layers, shapes, inputGradient);
  }

  #own(operation: string, parameters: Parameters): GpuParameters {
    if (!(parameters instanceof GpuParameters && parameters.gpu === this.gpu)) {
      throw foreignParameters(operation);
    }
    parameters.checkAlive(operation);
    return parameters;
  }
}

const stageClock: StageClock = {
  disturbs: true,
  watch(program, run) {
    if (program instanceof CompiledGpuChain) return program.watch(run);
    throw new TypeError('watch: this program belongs to another backend');
  },
};

function parameterBytes(parameters: Parameters): number {
  if (parameters instanceof GpuParameters) return parameters.bytes;
  throw new TypeError('parameterBytes: these parameters belong to another backend');
}
