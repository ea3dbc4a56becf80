/// <reference types="@webgpu/types" />
/**
 * Finds the fastest kernel for each convolution on this device. Each shape is measured once, when a network is
 * compiled, and the result is remembered. The kernels' results differ by rounding.
 */
import { UserError } from '../../../core/errors.ts';
import { elementCount } from '../../../core/shape.ts';
import { inputGradient, sumsFor, weightGradients } from '../backward.ts';
import { Memory } from '../buffers.ts';
import { callFields, type Dispatch, prepare } from '../dispatch.ts';
import { forwardDispatches } from '../forward.ts';
import { Stopwatch } from '../gpu-clock.ts';
import type { GpuParameters } from '../gpu-parameters.ts';
import { type Context, contextFor } from '../program-context.ts';
import { isConvolution, type PlacedConvolution, type PlacedStage, paddedCount } from '../stages.ts';
import type { Panel } from '../weight-panels.ts';
import {
  type Choice,
  type Choose,
  candidatesFor,
  choiceName,
  type Direction,
  defaultChoice,
} from './candidates.ts';
import type { Tuning } from './remembered-tiles.ts';

/** Largest tensor of a trial, in bytes, which limits the number of images. It keeps a device busy for a millisecond. */
const TENSOR = 64 * 2 ** 20;
/** Shortest measurement, in seconds: in browsers, GPU clocks tick every 0.1 ms. */
const LONG_ENOUGH = 0.002;
const ROUNDS = 3;
/** A candidate this many times slower than the fastest is run only once. */
const HOPELESS = 3;
/** A candidate's time must be below this fraction of the default's to replace it, as times vary between runs. */
const WORTH_IT = 0.97;

/**
 * Chooses a kernel for each convolution of a program: the remembered one, else the fastest measured one, else the
 * default. It measures the most expensive convolutions first, until the time limit.
 */
export async function chooseKernels(
  parameters: GpuParameters,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
): Promise<Choose> {
  const { gpu } = parameters;
  const { tuning } = gpu;
  const defaultFor = defaultChoice(gpu.tiles, parameters);
  if (!tuning) return defaultFor;
  const found = new Map<string, Choice>();
  await tuning.inTurn(async () => {
    const news: string[] = [];
    for (const { key, direction, placed } of trialsFor(parameters, stages, directions)) {
      const candidates = candidatesFor(gpu, parameters, direction, placed);
      const name = tuning.memory.get(key);
      const known = candidates.find((candidate) => choiceName(candidate) === name);
      const choice = known ?? (await tried(parameters, tuning, direction, placed, candidates));
      if (!choice) continue;
      found.set(key, choice);
      if (!known) news.push(`${key} ${choiceName(choice)}`);
    }
    if (news.length > 0) tuning.memory.add(news);
  });
  return (direction, placed) =>
    found.get(keyOf(parameters, direction, placed)) ?? defaultFor(direction, placed);
}

/** Returns the fastest, or undefined if time or memory runs out. */
async function tried(
  parameters: GpuParameters,
  tuning: Tuning,
  direction: Direction,
  placed: PlacedConvolution,
  candidates: readonly Choice[],
): Promise<Choice | undefined> {
  if (tuning.secondsLeft <= 0) return undefined;
  const start = performance.now();
  try {
    return await measure(parameters, direction, placed, candidates, start + 1000 * tuning.secondsLeft);
  } catch (error) {
    // If memory runs out, only the trial is abandoned. If the device is lost, the next call reports it.
    if (error instanceof UserError) return undefined;
    throw error;
  } finally {
    tuning.secondsLeft -= (performance.now() - start) / 1000;
  }
}

interface Trial {
  readonly key: string;
  readonly direction: Direction;
  readonly placed: PlacedConvolution;
}

/** Each shape and direction once, the most arithmetic first. */
function trialsFor(
  parameters: GpuParameters,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
): Trial[] {
  const trials = new Map<string, Trial>();
  for (const placed of stages.filter(isConvolution)) {
    for (const direction of directions) {
      const key = keyOf(parameters, direction, placed);
      if (!trials.has(key)) trials.set(key, { key, direction, placed });
    }
  }
  return [...trials.values()].sort((a, b) => productsOf(b.placed) - productsOf(a.placed));
}

function productsOf({ stage, output }: PlacedConvolution): number {
  return elementCount(output) * stage.layer.inChannels * stage.layer.kernel ** 2;
}

/** Inference has separate keys, as it transforms weights only once, and so does f16. */
function keyOf(
  { training, gpu }: GpuParameters,
  direction: Direction,
  { stage, input }: PlacedConvolution,
): string {
  const { outChannels, kernel, padding } = stage.layer;
  return [
    ...(gpu.precision === 'f16' ? ['f16'] : []),
    training || direction !== 'forward' ? direction : 'inference',
    ...input,
    outChannels,
    kernel,
    padding,
  ].join('-');
}

/**
 * Measures candidates on separate tensors with the program's sizes.
 * @param candidates the default first
 * @param deadline by performance.now()
 * @returns the fastest, or undefined if the deadline passes
 * @throws UserError when memory runs out
 */
export async function measure(
  parameters: GpuParameters,
  direction: Direction,
  placed: PlacedConvolution,
  candidates: readonly Choice[],
  deadline: number,
): Promise<Choice | undefined> {
  const { gpu } = parameters;
  const memory = new Memory(gpu);
  const stopwatch = new Stopwatch(gpu);
  const perImage =
    4 * Math.max(...[placed.input, placed.output].map((shape) => elementCount(shape.slice(1))));
  const images = Math.max(1, Math.min(placed.input[0], Math.floor(TENSOR / perImage)));
  try {
    const dispatches = await gpu.allocating('compile', () =>
      candidateDispatches(parameters, memory, direction, withImages(placed, images), candidates),
    );
    const prepared = await Promise.all(
      // A device may reject a shader for needing too many registers or too much shared memory.
      dispatches.map((all) => {
        const repeated = all.filter(({ ofWeights }) => parameters.training || !ofWeights);
        return prepare(gpu, repeated).catch(() => undefined);
      }),
    );
    const timed = (index: number, repetitions: number) =>
      performance.now() > deadline ? undefined : stopwatch.seconds(prepared[index]!, images, repetitions);
    const runnable = candidates.flatMap((_, index) => (prepared[index] ? [index] : []));
    const times = await rounds(runnable, timed);
    return times && candidates[fastest(times)];
  } finally {
    stopwatch.dispose();
    memory.free();
  }
}

/**
 * Returns the shortest time of each candidate, by index. Candidates take turns, so that a disturbance affects all
 * alike.
 * @param timed returns undefined once time has run out; then the result is undefined, too
 */
export async function rounds(
  runnable: readonly number[],
  timed: (index: number, repetitions: number) => Promise<number> | undefined,
): Promise<Map<number, number> | undefined> {
  const first = new Map<number, number>();
  for (const index of runnable) {
    const time = await timed(index, 1);
    if (time === undefined) return undefined;
    first.set(index, time);
  }
  const bound = HOPELESS * Math.min(...first.values());
  const least = new Map<number, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, once] of first) {
      if (once > bound) continue;
      const repetitions = Math.max(1, Math.min(64, Math.ceil(LONG_ENOUGH / Math.max(once, 1e-6))));
      const time = await timed(index, repetitions);
      if (time === undefined) return undefined;
      least.set(index, Math.min(time, least.get(index) ?? Infinity));
    }
  }
  return least;
}

/** Returns the index of the fastest, or 0, the default, if none is clearly faster. */
export function fastest(times: ReadonlyMap<number, number>): number {
  const [best, time] = [...times].reduce((a, b) => (b[1] < a[1] ? b : a));
  return time < WORTH_IT * (times.get(0) ?? Infinity) ? best : 0;
}

function withImages(placed: PlacedConvolution, images: number): PlacedConvolution {
  const [, ...input] = placed.input;
  const [, ...output] = placed.output;
  return { ...placed, input: [images, ...input], output: [images, ...output] };
}

/** Returns each candidate's dispatches, all on the same tensors. */
export function candidateDispatches(
  parameters: GpuParameters,
  memory: Memory,
  direction: Direction,
  placed: PlacedConvolution,
  candidates: readonly Choice[],
): Dispatch[][] {
  const call = memory.uniform(callFields({ images: placed.input[0] }));
  const own = direction === 'weights' ? withOwnGradients(parameters, memory, placed) : parameters;
  const contexts = candidates.map((choice) => {
    const given = { parameters: own, choose: () => choice, call };
    return contextFor(parameters.gpu, memory, given, [placed], [direction], false);
  });
  const tensorFor = (shape: PlacedStage['input']) => memory.layers('a trial', paddedCount(shape));
  const [x, y] = [tensorFor(placed.input), tensorFor(placed.output)];
  switch (direction) {
    case 'forward':
      return contexts.map((context) => forwardDispatches(context, placed, x, y));
    case 'backward': {
      const dx = tensorFor(placed.input);
      return contexts.map((context) => inputGradient(context, placed, x, y, dx));
    }
    case 'weights': {
      const needed = Math.max(...contexts.map((context) => sumsFor(context, placed)));
      const between = { x, dy: y, dx: undefined, sums: memory.storage('a trial', needed) };
      return contexts.map((context) => weightGradients(context, placed, between));
    }
  }
}

/** Replaces the gradients, as a trial must not change those of the network. */
function withOwnGradients(
  parameters: GpuParameters,
  memory: Memory,
  { stage }: PlacedConvolution,
): Context['parameters'] {
  const name = `${stage.layer.name}.weight`;
  const panels = parameters.panelsOf(name).map(
    (panel): Panel => ({
      ...panel,
      buffers: { ...panel.buffers, gradients: memory.storage('a trial', 4 * panel.size) },
    }),
  );
  return { panelsOf: (asked) => (asked === name ? panels : parameters.panelsOf(asked)) };
}
