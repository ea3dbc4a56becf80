/** The backend on a GPU: shaders in ./shaders, planned into programs that submit one command buffer a call. */
import type { ParameterSpec } from '../../core/layer.ts';
import type { Backend, CompileOptions, CompileTrainingOptions, Parameters } from '../backend.ts';
import type { Instruments } from '../instruments.ts';
import { checkChain } from '../validate.ts';
import type { Gpu } from './device.ts';
import { gpuInstruments } from './gpu-instruments.ts';
import { compileParameterPipelines, GpuParameters, type ParameterPipelines } from './parameters.ts';
import { compileInference, type GpuProgram } from './program.ts';
import { compileTraining, type GpuTrainingProgram } from './training-program.ts';

/** @throws UserError where shaders do not compile on this device */
export async function createWebGpuBackend(gpu: Gpu): Promise<WebGpuBackend> {
  return new WebGpuBackend(gpu, await compileParameterPipelines(gpu));
}

export class WebGpuBackend implements Backend {
  readonly name = 'webgpu';
  readonly description: string;
  /** Of this process; the GPU has its own. */
  readonly threads = 1;
  readonly gpu: Gpu;
  readonly instruments: Instruments;
  readonly #pipelines: ParameterPipelines;

  constructor(gpu: Gpu, pipelines: ParameterPipelines) {
    this.gpu = gpu;
    this.instruments = gpuInstruments(gpu);
    this.#pipelines = pipelines;
    const kind = gpu.isSoftware ? ', software rendering on the CPU (slow)' : '';
    this.description = `WebGPU, ${gpu.description}${kind}${gpu.precision === 'f16' ? ', f16' : ''}`;
  }

  createParameters(specs: readonly ParameterSpec[], { training }: { training: boolean }): GpuParameters {
    return new GpuParameters(this.gpu, this.#pipelines, specs, training);
  }

  async compile({ layers, inputShape, parameters }: CompileOptions): Promise<GpuProgram> {
    const own = this.#own('compile', parameters);
    return compileInference(own, layers, checkChain('compile', layers, inputShape, own.specs));
  }

  async compileTraining(options: CompileTrainingOptions): Promise<GpuTrainingProgram> {
    const { layers, inputShape, inputGradient = false } = options;
    const own = this.#own('compileTraining', options.parameters);
    if (!own.training) {
      throw new RangeError(
        'compileTraining: these parameters have no gradients; create them with { training: true }',
      );
    }
    const shapes = checkChain('compileTraining', layers, inputShape, own.specs);
    return compileTraining(own, layers, shapes, inputGradient);
  }

  #own(operation: string, parameters: Parameters): GpuParameters {
    if (parameters instanceof GpuParameters && parameters.gpu === this.gpu) {
      parameters.checkAlive(operation);
      return parameters;
    }
    throw new TypeError(
      `${operation}: these parameters belong to another backend; create them with this one`,
    );
  }
}
