/**
 * Programs on several GPUs. A training step gives each GPU a contiguous part of the images. In inference, a batch goes
 * to one GPU, or is split if all are idle; all have the same kernels, so an image's result does not depend on it where
 * the GPUs are alike.
 */
import { shareOf } from '../../core/process-team.ts';
import { elementCount, type Shape4 } from '../../core/shape.ts';
import type { LabeledInput, LossOutcome, Program, TrainingInput, TrainingProgram } from '../backend.ts';
import { checkAccumulate, checkBackward, checkForward } from '../validate.ts';
import type { GroupParameters } from './group-parameters.ts';
import type { GpuProgram } from './inference-program.ts';
import type { GpuTrainingProgram } from './training-program.ts';

/** A part of a batch: the number of its GPU, and its images `[from, to)`. */
interface Share {
  readonly device: number;
  readonly from: number;
  readonly to: number;
}

/** Splits images over GPUs, leaving out those that get none. */
function sharesOf(images: number, devices: number): Share[] {
  return Array.from({ length: devices }, (_, device) => {
    const [from, to] = shareOf(images, { rank: device, size: devices });
    return { device, from, to };
  }).filter(({ from, to }) => from < to);
}

function part<T extends { subarray(from: number, to: number): T }>(
  data: T,
  { from, to }: Share,
  each: number,
): T {
  return data.subarray(from * each, to * each);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of parts) {
    all.set(values, at);
    at += values.length;
  }
  return all;
}

export class GroupProgram implements Program {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  /** One for each GPU, each for a full batch. */
  readonly members: readonly GpuProgram[];
  readonly #parameters: GroupParameters;
  /** Calls that each GPU has not finished; all programs of a group share it. */
  readonly #running: number[];

  constructor(members: readonly GpuProgram[], parameters: GroupParameters, running: number[]) {
    this.inputShape = members[0]!.inputShape;
    this.outputShape = members[0]!.outputShape;
    this.members = members;
    this.#parameters = parameters;
    this.#running = running;
  }

  /** On each GPU. */
  get memoryBytes(): number {
    return this.members[0]!.memoryBytes;
  }

  async forward(input: Float32Array): Promise<Float32Array> {
    const images = checkForward(this.inputShape, input);
    return this.#parameters.inOrder(async () => {
      const isIdle = this.#running.every((calls) => calls === 0);
      const shares = isIdle
        ? sharesOf(images, this.members.length)
        : [{ device: this.#running.indexOf(Math.min(...this.#running)), from: 0, to: images }];
      return joined(await Promise.all(shares.map((share) => this.#forward(share, input))));
    });
  }

  async #forward(share: Share, input: Float32Array): Promise<Float32Array> {
    const { device } = share;
    this.#running[device]!++;
    try {
      return await this.members[device]!.forward(part(input, share, elementCount(this.inputShape.slice(1))));
    } finally {
      this.#running[device]!--;
    }
  }

  dispose(): void {
    for (const member of this.members) member.dispose();
  }
}

export class GroupTrainingProgram implements TrainingProgram {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  /** One for each GPU, each for its part of a full batch. */
  readonly members: readonly GpuTrainingProgram[];
  readonly #parameters: GroupParameters;

  /** @param shapes of a full batch */
  constructor(
    members: readonly GpuTrainingProgram[],
    parameters: GroupParameters,
    inputShape: Shape4,
    outputShape: Shape4,
  ) {
    this.inputShape = inputShape;
    this.outputShape = outputShape;
    this.members = members;
    this.#parameters = parameters;
  }

  /** On the GPU with the most images. */
  get memoryBytes(): number {
    return Math.max(...this.members.map(({ memoryBytes }) => memoryBytes));
  }

  async accumulate(
    batch: LabeledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => unknown,
  ): Promise<LossOutcome> {
    const images = checkAccumulate(this, batch, gradientScale);
    return this.#parameters.inOrder(async () => {
      this.#parameters.beforeGradients();
      const shares = sharesOf(images, this.members.length);
      const together = onGradients && whenAllHave(shares.length, onGradients);
      const outcomes = await Promise.all(
        shares.map((share) => {
          const labeled = {
            ...this.#partOf(batch, share),
            labels: part(batch.labels, share, 1),
            weights: batch.weights && part(batch.weights, share, 1),
            labelSmoothing: batch.labelSmoothing,
            targets: batch.targets && part(batch.targets, share, batch.targets.length / images),
          };
          return this.members[share.device]!.accumulate(labeled, gradientScale, together);
        }),
      );
      return {
        losses: joined(outcomes.map(({ losses }) => losses)),
        logits: joined(outcomes.map(({ logits }) => logits)),
      };
    });
  }

  async backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }> {
    const images = checkBackward(this, batch, outputGradient);
    return this.#parameters.inOrder(async () => {
      this.#parameters.beforeGradients();
      const each = elementCount(this.outputShape.slice(1));
      const outcomes = await Promise.all(
        sharesOf(images, this.members.length).map((share) =>
          this.members[share.device]!.backward(this.#partOf(batch, share), part(outputGradient, share, each)),
        ),
      );
      const inputGradients = outcomes.flatMap(({ inputGradient }) => inputGradient ?? []);
      return {
        output: joined(outcomes.map(({ output }) => output)),
        inputGradient: inputGradients.length > 0 ? joined(inputGradients) : undefined,
      };
    });
  }

  dispose(): void {
    for (const member of this.members) member.dispose();
  }

  #partOf({ input, dropoutKeys }: TrainingInput, share: Share): TrainingInput {
    return {
      input: part(input, share, elementCount(this.inputShape.slice(1))),
      dropoutKeys: dropoutKeys && part(dropoutKeys, share, 2),
    };
  }
}

/**
 * Calls `onGradients` once all of `count` GPUs have submitted the work for the gradients of a tensor. The GPUs, which are
 * busy with that work meanwhile, then go on together: what `onGradients` submits runs before the layers below.
 */
function whenAllHave(count: number, onGradients: (tensor: number) => unknown): (tensor: number) => unknown {
  let waiting: (() => void)[] = [];
  return (tensor) => {
    if (waiting.length < count - 1) return new Promise<void>((resolve) => waiting.push(resolve));
    onGradients(tensor);
    for (const resolve of waiting) resolve();
    waiting = [];
    return undefined;
  };
}
