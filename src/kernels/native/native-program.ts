import { elementCount, type Shape4 } from '../../core/shape.ts';
import type {
  LabeledInput,
  LossOutcome,
  Program,
  StageTime,
  TrainingInput,
  TrainingProgram,
} from '../backend.ts';
import { checkAccumulate, checkAlive, checkBackward, checkForward } from '../validate.ts';
import type { Addon, ProgramHandle, Run } from './addon.ts';
import type { NativeParameters } from './native-parameters.ts';
import { settled } from './settled.ts';

/** A chain that the engine has compiled. */
export interface CompiledNativeChain {
  readonly addon: Addon;
  readonly parameters: NativeParameters;
  readonly program: ProgramHandle;
  readonly memoryBytes: number;
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  /** Called after each run. */
  readonly onRun: () => void;
}

class NativeProgramBase {
  readonly inputShape: Shape4;
  readonly outputShape: Shape4;
  readonly memoryBytes: number;
  readonly #chain: CompiledNativeChain;
  #disposed = false;

  constructor(chain: CompiledNativeChain) {
    this.inputShape = chain.inputShape;
    this.outputShape = chain.outputShape;
    this.memoryBytes = chain.memoryBytes;
    this.#chain = chain;
  }

  protected checkAlive(operation: string): void {
    checkAlive(operation, 'program', this.#disposed);
    this.#chain.parameters.handle(operation);
  }

  protected async run(
    operation: 'forward' | 'accumulate' | 'backward',
    run: Run,
    gradientsReady?: (tensor: number) => void,
  ): Promise<void> {
    const { addon, parameters, program, onRun } = this.#chain;
    await settled(operation, addon[operation](parameters.engine, program, run, gradientsReady));
    onRun();
  }

  /** Returns the times of the last run's stages, in the order in which they ran. */
  profile(): Promise<readonly StageTime[]> {
    this.checkAlive('profile');
    const { addon, parameters, program } = this.#chain;
    return addon.profile(parameters.engine, program);
  }

  /** Allocates an array `[images, …]` for results with the shape of the input or the output. */
  protected arrayFor(images: number, [, ...image]: Shape4): Float32Array {
    return new Float32Array(images * elementCount(image));
  }

  dispose(): void {
    if (!this.#disposed) this.#chain.addon.release(this.#chain.parameters.engine, this.#chain.program);
    this.#disposed = true;
  }
}

export class NativeProgram extends NativeProgramBase implements Program {
  async forward(input: Float32Array): Promise<Float32Array> {
    this.checkAlive('forward');
    const images = checkForward(this.inputShape, input);
    const output = this.arrayFor(images, this.outputShape);
    await this.run('forward', { images, input, output });
    return output;
  }
}

export class NativeTrainingProgram extends NativeProgramBase implements TrainingProgram {
  readonly #inputGradient: boolean;

  constructor(chain: CompiledNativeChain, inputGradient: boolean) {
    super(chain);
    this.#inputGradient = inputGradient;
  }

  async accumulate(
    batch: LabeledInput,
    gradientScale: number,
    onGradients?: (tensor: number) => void,
  ): Promise<LossOutcome> {
    this.checkAlive('accumulate');
    const images = checkAccumulate(this, batch, gradientScale);
    const logits = this.arrayFor(images, this.outputShape);
    const losses = new Float32Array(images);
    const run = { ...batch, images, gradientScale, losses, output: logits };
    await this.run('accumulate', run, onGradients);
    return { losses, logits };
  }

  async backward(
    batch: TrainingInput,
    outputGradient: Float32Array,
  ): Promise<{ output: Float32Array; inputGradient?: Float32Array }> {
    this.checkAlive('backward');
    const images = checkBackward(this, batch, outputGradient);
    const output = this.arrayFor(images, this.outputShape);
    const inputGradient = this.#inputGradient ? this.arrayFor(images, this.inputShape) : undefined;
    const { input, dropoutKeys } = batch;
    await this.run('backward', { images, input, dropoutKeys, outputGradient, output, inputGradient });
    return { output, inputGradient };
  }
}
