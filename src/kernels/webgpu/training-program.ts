/** A chain compiled for training: forward, the gradient of the loss, and backward, all in one command buffer. */
import type { Layer } from '../../core/layer.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { LabeledInput, LossOutcome, TrainingInput, TrainingProgram } from '../backend.ts';
import { lossOf } from '../reference/euclidean-loss.ts';
import { checkAccumulate, checkBackward } from '../validate.ts';
import { backwardDispatches, reluBackward, sumsFor } from './backward.ts';
import { Memory } from './buffers.ts';
import { type ChainParts, CompiledGpuChain, toPlanes, toVectors } from './compiled-chain.ts';
import { type Call, type Dispatch, numbers, type Prepared, prepare } from './dispatch.ts';
import { forwardDispatches } from './forward.ts';
import { workOf } from './gpu-clock.ts';
import type { GpuParameters } from './gpu-parameters.ts';
import { type Context, contextFor } from './program-context.ts';
import { euclideanGradient } from './shaders/euclidean-loss.ts';
import { lossGradient } from './shaders/softmax-cross-entropy.ts';
import { isConvolution, type PlacedStage, paddedCount, stagesOf, vectorsOf } from './stages.ts';
import type { Choose, Direction } from './tuning/candidates.ts';
import { chooseKernels } from './tuning/measurement.ts';

/** Buffers in canonical layout that calls write or read. */
interface Ports {
  readonly input: GPUBuffer;
  readonly keys: GPUBuffer;
  readonly labels: GPUBuffer;
  /** For each image the weight of its loss and its label smoothing. */
  readonly targets: GPUBuffer;
  /** For each output of a vector the target of a Euclidean loss and its weight. */
  readonly outputTargets: GPUBuffer;
  readonly output: GPUBuffer;
  readonly outputGradient: GPUBuffer;
  readonly inputGradient: GPUBuffer | undefined;
}

/** The parts of a training step, of which each call runs some. */
interface StepParts<T> {
  readonly forward: T;
  /** The output's gradient: computed from the labels, or given by the caller. */
  readonly lossGradient: T;
  readonly euclideanGradient: T;
  readonly givenGradient: T;
  /** Each ends when the gradients of one layer's tensors are final. */
  readonly backward: readonly T[];
}

const DIRECTIONS: readonly Direction[] = ['forward', 'backward', 'weights'];

interface TrainingParts extends ChainParts {
  readonly ports: Ports;
  readonly steps: StepParts<readonly Prepared[]>;
  /** After each part of the backward pass: the first tensor, by its number, whose gradients are final. */
  readonly finals: readonly number[];
}

export class GpuTrainingProgram extends CompiledGpuChain implements TrainingProgram {
  readonly #parts: TrainingParts;

  constructor(parts: TrainingParts) {
    super(parts);
    this.#parts = parts;
  }

  async accumulate(
    batch: LabeledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => unknown,
  ): Promise<LossOutcome> {
    this.checkAlive('accumulate');
    const images = checkAccumulate(this, batch, gradientScale);
    const { forward, lossGradient, euclideanGradient, backward } = this.#parts.steps;
    this.#write(batch);
    this.#writeTargets(batch);
    const { finals } = this.#parts;
    const gradient = batch.targets ? euclideanGradient : lossGradient;
    const [logits] = await this.run(
      { images, hasKeys: batch.dropoutKeys !== undefined, ...this.#scales(gradientScale) },
      [[...forward, ...gradient, ...backward[0]!], ...backward.slice(1)],
      [{ planes: this.#parts.ports.output, shape: this.outputShape }],
      onGradients && ((part) => onGradients(finals[part]!)),
    );
    const { losses } = lossOf(logits!, batch, 1);
    return { losses, logits: logits! };
  }

  async backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }> {
    this.checkAlive('backward');
    const images = checkBackward(this, batch, outputGradient);
    const { forward, givenGradient, backward } = this.#parts.steps;
    const { inputGradient: wanted, output } = this.#parts.ports;
    this.#write(batch);
    this.write(this.#parts.ports.outputGradient, outputGradient);
    const results = [{ planes: output, shape: this.outputShape }];
    if (wanted) results.push({ planes: wanted, shape: this.inputShape });
    const call = { images, hasKeys: batch.dropoutKeys !== undefined, ...this.#scales(1) };
    const read = await this.run(call, [forward, givenGradient, ...backward], results);
    return { output: read[0]!, inputGradient: read[1] };
  }

  /** A loss scale alone scales gradients of activations; gradientScale then scales only those of parameters. */
  #scales(gradientScale: number): Pick<Call, 'gradientScale' | 'parameterScale'> {
    const { lossScale } = this.gpu.kept;
    if (lossScale === 1) return { gradientScale, parameterScale: 1 };
    return { gradientScale: lossScale, parameterScale: gradientScale / lossScale };
  }

  #writeTargets({ labels, weights, labelSmoothing = 0, targets }: LabeledInput): void {
    const { ports } = this.#parts;
    const images = labels.length;
    if (!targets) {
      const target = (word: number) => (word % 2 ? labelSmoothing : (weights?.[word / 2] ?? 1));
      this.write(ports.labels, labels);
      this.write(
        ports.targets,
        Float32Array.from({ length: 2 * images }, (_, i) => target(i)),
      );
      return;
    }
    const outputs = this.outputShape[1];
    const count = targets.length / images;
    const wanted = new Float32Array(2 * outputs * images);
    for (let i = 0; i < targets.length; i++) {
      const n = Math.floor(i / count);
      wanted.set([targets[i]!, weights?.[n] ?? 1], 2 * (n * outputs + labels[n]! * count + (i % count)));
    }
    this.write(ports.outputTargets, wanted);
  }

  #write({ input, dropoutKeys }: TrainingInput): void {
    this.write(this.#parts.ports.input, input);
    if (dropoutKeys) this.write(this.#parts.ports.keys, dropoutKeys);
  }
}

/** @param shapes of the input and of each layer's output, for a full batch */
export async function compileTraining(
  parameters: GpuParameters,
  layers: readonly Layer[],
  shapes: readonly Shape4[],
  inputGradient: boolean,
): Promise<GpuTrainingProgram> {
  const { gpu } = parameters;
  const memory = new Memory(gpu);
  const stages = stagesOf(layers, shapes, true);
  const choose = await chooseKernels(parameters, stages, DIRECTIONS);
  try {
    const plan = await gpu.allocating('compileTraining', () =>
      planTraining(parameters, memory, stages, choose, shapes, inputGradient),
    );
    const steps = {
      forward: await prepare(gpu, plan.steps.forward),
      lossGradient: await prepare(gpu, plan.steps.lossGradient),
      euclideanGradient: await prepare(gpu, plan.steps.euclideanGradient),
      givenGradient: await prepare(gpu, plan.steps.givenGradient),
      backward: await Promise.all(plan.backward.map(({ dispatches }) => prepare(gpu, dispatches))),
    };
    const finals = plan.backward.map(({ final }) => final);
    return new GpuTrainingProgram({ shapes, parameters, memory, ...plan, steps, finals });
  } catch (error) {
    memory.free();
    throw error;
  }
}

function planTraining(
  parameters: GpuParameters,
  memory: Memory,
  stages: readonly PlacedStage[],
  choose: Choose,
  shapes: readonly Shape4[],
  inputGradientWanted: boolean,
) {
  const [inputShape, outputShape] = [shapes[0]!, shapes.at(-1)!];
  const call = memory.uniform(new ArrayBuffer(16));
  const { activationScale, lossScale } = parameters.gpu.kept;
  const ports: Ports = {
    input: memory.storage('the input', elementCount(inputShape)),
    keys: memory.storage('the keys of dropout', 2 * inputShape[0]),
    labels: memory.storage('the labels', inputShape[0]),
    targets: memory.storage('the targets of the loss', 2 * inputShape[0]),
    outputTargets: memory.storage('the targets of the outputs', 2 * inputShape[0] * outputShape[1]),
    output: memory.storage('the output', elementCount(outputShape)),
    outputGradient: memory.storage("the output's gradient", elementCount(outputShape)),
    inputGradient: inputGradientWanted
      ? memory.storage("the input's gradient", elementCount(inputShape))
      : undefined,
  };
  const given = { parameters, choose, call, keys: ports.keys };
  const context = contextFor(parameters.gpu, memory, given, stages, DIRECTIONS, false);
  const tensors = [inputShape, ...stages.map(({ output }) => output)].map((shape) =>
    memory.layers('the layers of the network', paddedCount(shape)),
  );
  const forward = [
    toVectors(context, inputShape, ports.input, tensors[0]!, activationScale),
    ...stages.flatMap((stage, at) =>
      workOf(stage.layer, 'forward', forwardDispatches(context, stage, tensors[at]!, tensors[at + 1]!)),
    ),
    toPlanes(context, outputShape, tensors.at(-1)!, ports.output, activationScale),
  ];
  const largest = Math.max(...shapes.map(paddedCount));
  const gradientBuffer = () => memory.layers('the gradients of the layers', largest);
  const [first, second] = [gradientBuffer(), gradientBuffer()];
  const logits = tensors.at(-1)!;
  const fields = context.uniform(numbers(outputShape[1], 4 * vectorsOf(outputShape)));
  const loss: Dispatch = {
    code: lossGradient(context.subgroups),
    bindings: [call, fields, logits, ports.labels, ports.targets, first],
    groups: (images) => [images],
  };
  const euclidean: Dispatch = {
    code: euclideanGradient,
    bindings: [call, fields, logits, ports.outputTargets, first],
    groups: (images) => [images],
  };
  // There is no loss for a map of scores: `accumulate` rejects it before this would run.
  const isVector = outputShape[2] * outputShape[3] === 1;
  const planes = ports.inputGradient;
  const finish = planes && ((last: GPUBuffer) => [toPlanes(context, inputShape, last, planes, lossScale)]);
  const steps = {
    forward,
    lossGradient: isVector ? [loss] : [],
    euclideanGradient: isVector ? [euclidean] : [],
    givenGradient: [toVectors(context, outputShape, ports.outputGradient, first, lossScale, 'gradient')],
  };
  const all = backwardAlong(context, memory, stages, tensors, [first, second], finish);
  return { call, ports, steps, backward: partsOf(all, stages, parameters) };
}

interface BackwardPart {
  readonly dispatches: readonly Dispatch[];
  /** The first tensor, by its number, whose gradients are final afterwards. */
  readonly final: number;
}

/** Cuts the backward pass after each layer's last gradient of a tensor. */
function partsOf(
  dispatches: readonly Dispatch[],
  stages: readonly PlacedStage[],
  { specs }: GpuParameters,
): BackwardPart[] {
  const parts: BackwardPart[] = [];
  let from = 0;
  dispatches.forEach(({ work }, at) => {
    const next = dispatches[at + 1]?.work;
    if (work?.pass !== 'weight gradient') return;
    if (next?.layer === work.layer && next.pass === work.pass) return;
    const placed = stages.filter(isConvolution).find(({ layer }) => layer === work.layer)!;
    const final = specs.findIndex(({ name }) => name === `${placed.stage.layer.name}.weight`);
    parts.push({ dispatches: dispatches.slice(from, at + 1), final });
    from = at + 1;
  });
  const rest = dispatches.slice(from);
  const last = parts.pop();
  return [...parts, { dispatches: [...(last?.dispatches ?? []), ...rest], final: last?.final ?? 0 }];
}

/**
 * Plans the backward pass. A gradient is needed only until the next one is computed, so two buffers alternate.
 * @param buffers the first holds the output's gradient
 * @param finish dispatches that take the input's gradient; undefined if it is not needed
 */
function backwardAlong(
  context: Context,
  memory: Memory,
  stages: readonly PlacedStage[],
  tensors: readonly GPUBuffer[],
  buffers: readonly [GPUBuffer, GPUBuffer],
  finish: ((gradient: GPUBuffer) => Dispatch[]) | undefined,
): Dispatch[] {
  const sums = memory.storage(
    'sums of gradients',
    Math.max(4, ...stages.map((stage) => sumsFor(context, stage))),
  );
  const dispatches: Dispatch[] = [];
  let [dy, dx] = buffers;
  const add = (...more: readonly Dispatch[]) => {
    dispatches.push(...more);
    [dy, dx] = [dx, dy];
  };
  const last = stages.at(-1);
  if (last && isConvolution(last) && last.stage.relu) {
    add(reluBackward(context, last, tensors.at(-1)!, dy, dx));
  }
  for (let index = stages.length - 1; index >= 0; index--) {
    const wanted = index > 0 || finish !== undefined;
    const between = { x: tensors[index]!, dy, dx: wanted ? dx : undefined, sums };
    add(...backwardDispatches(context, stages[index]!, between));
  }
  return finish ? [...dispatches, ...finish(dy)] : dispatches;
}
