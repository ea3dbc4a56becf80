/** A chain compiled for inference. */
import { UserError } from '../../core/errors.ts';
import type { Layer } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { Program } from '../backend.ts';
import { checkForward } from '../validate.ts';
import { Memory } from './buffers.ts';
import { type ChainParts, CompiledGpuChain, toPlanes, toVectors } from './compiled-chain.ts';
import { type Dispatch, type Prepared, prepare } from './dispatch.ts';
import { forwardDispatches } from './forward.ts';
import type { Gpu } from './gpu.ts';
import { workOf } from './gpu-clock.ts';
import type { GpuParameters } from './gpu-parameters.ts';
import { contextFor } from './program-context.ts';
import { F16_LARGEST } from './shaders/storage-format.ts';
import { type PlacedStage, paddedCount, stagesOf } from './stages.ts';
import type { Choose } from './tuning/candidates.ts';
import { chooseKernels } from './tuning/measurement.ts';

interface InferenceParts extends ChainParts {
  readonly input: GPUBuffer;
  readonly output: GPUBuffer;
  /** Run only after weights have changed. */
  readonly ofWeights: readonly Prepared[];
  /** Run in every call. */
  readonly ofImages: readonly Prepared[];
}

export class GpuProgram extends CompiledGpuChain implements Program {
  readonly #parts: InferenceParts;
  /** Version of the weights at the last transform. */
  #transformed: number | undefined;

  constructor(parts: InferenceParts) {
    super(parts);
    this.#parts = parts;
  }

  async forward(input: Float32Array): Promise<Float32Array> {
    this.checkAlive('forward');
    const images = checkForward(this.inputShape, input);
    const { ofWeights, ofImages, ...parts } = this.#parts;
    const prepared = this.version === this.#transformed ? [ofImages] : [ofWeights, ofImages];
    this.#transformed = this.version;
    this.write(parts.input, input);
    const result = { planes: parts.output, shape: this.outputShape };
    const [output] = await this.run({ images }, prepared, [result]);
    checkRange(this.gpu, input, output!);
    return output!;
  }
}

/** @param shapes of the input and of each layer's output, for a full batch */
export async function compileInference(
  parameters: GpuParameters,
  layers: readonly Layer[],
  shapes: readonly Shape4[],
): Promise<GpuProgram> {
  const { gpu } = parameters;
  await parameters.allocated;
  const memory = new Memory(gpu);
  const stages = stagesOf(layers, shapes, false);
  const choose = await chooseKernels(parameters, stages, ['forward']);
  try {
    const { dispatches, ...buffers } = await gpu.allocating('compile', () =>
      planInference(parameters, memory, stages, choose, shapes),
    );
    const isOfWeights = ({ ofWeights }: Dispatch) => ofWeights === true;
    const ofWeights = await prepare(gpu, dispatches.filter(isOfWeights));
    const ofImages = await prepare(
      gpu,
      dispatches.filter((dispatch) => !isOfWeights(dispatch)),
    );
    return new GpuProgram({ shapes, parameters, memory, ...buffers, ofWeights, ofImages });
  } catch (error) {
    memory.free();
    throw error;
  }
}

function planInference(
  parameters: GpuParameters,
  memory: Memory,
  stages: readonly PlacedStage[],
  choose: Choose,
  shapes: readonly Shape4[],
) {
  const { gpu } = parameters;
  const { activationScale } = gpu.kept;
  const call = memory.uniform(new ArrayBuffer(16));
  const context = contextFor(gpu, memory, { parameters, choose, call }, stages, ['forward'], true);
  const [inputShape, outputShape] = [shapes[0]!, shapes.at(-1)!];
  const input = memory.storage('the input', elementCount(inputShape));
  const output = memory.storage('the output', elementCount(outputShape));
  // A tensor is needed only until the next one is computed, so two buffers alternate.
  const counts = [inputShape, ...stages.map((stage) => stage.output)].map(paddedCount);
  const buffers = [0, 1].map((turn) =>
    memory.layers('a layer of the network', Math.max(...counts.filter((_, at) => at % 2 === turn), 4)),
  );
  const dispatches = [
    toVectors(context, inputShape, input, buffers[0]!, activationScale),
    ...stages.flatMap((stage, at) => {
      const [from, to] = [buffers[at % 2]!, buffers[(at + 1) % 2]!];
      return workOf(stage.layer, 'forward', forwardDispatches(context, stage, from, to));
    }),
    toPlanes(context, outputShape, buffers[stages.length % 2]!, output, activationScale),
  ];
  return { call, input, output, dispatches };
}

/** @throws UserError when a finite input gives an output that is not finite, as activations exceed the range of f16. */
function checkRange({ precision, kept }: Gpu, input: Float32Array, output: Float32Array): void {
  if (precision === 'fp32' || output.every(Number.isFinite) || !input.every(Number.isFinite)) return;
  const largest = (F16_LARGEST / kept.activationScale).toLocaleString('en-US');
  throw new UserError(
    `precision f16 holds activations up to ${largest}, but this network computes larger ones for this image: use --precision fp32`,
  );
}
