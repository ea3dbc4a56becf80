/// <reference types="@webgpu/types" />
/** Measures kernels against each other on tensors of their own, at the sizes that they will have. */
import { elementCount } from '../../core/shape.ts';
import { inputGradient, sumsFor, weightGradients } from './backward.ts';
import type { Choice, Direction, PlacedConvolution } from './choices.ts';
import { callFields, type Dispatch, type Prepared, prepare } from './dispatch.ts';
import { type Context, forwardDispatches, partsFor } from './forward.ts';
import { Memory } from './memory.ts';
import type { GpuParameters, Panel } from './parameters.ts';
import { paddedCount } from './stages.ts';
import { Stopwatch } from './stopwatch.ts';
import { pointBuffers } from './winograd.ts';

/** As many images as tensors of this size hold, in bytes: enough to keep a device busy for a millisecond. */
const TENSOR = 64 * 2 ** 20;
/** A measurement takes about so long, in seconds: clocks of GPUs tick every 0.1 ms in browsers. */
const LONG_ENOUGH = 0.002;
const ROUNDS = 3;
/** Not measured again after its first run: so many times slower than the fastest. */
const HOPELESS = 3;
/** Another than the usual has to be faster by so much, as times differ from run to run. */
const WORTH_IT = 0.97;

/**
 * The fastest of the candidates, whose first is the usual one.
 * @param deadline by performance.now(); undefined is returned when it has passed
 * @throws UserError without memory for it
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
      // A device may refuse a shader, for its registers or its shared memory.
      dispatches.map((all) => {
        const repeated = all.filter(({ ofWeights }) => parameters.training || !ofWeights);
        return prepare(gpu, repeated).catch(() => undefined);
      }),
    );
    const timed = (index: number, repetitions: number) =>
      performance.now() > deadline
        ? undefined
        : stopwatch.seconds(prepared[index] as readonly Prepared[], images, repetitions);
    const runnable = candidates.flatMap((_, index) => (prepared[index] ? [index] : []));
    const times = await rounds(runnable, timed);
    return times && candidates[fastest(times)];
  } finally {
    stopwatch.dispose();
    memory.free();
  }
}

/**
 * The least time of each, by its number, in turns, so that a disturbance meets them all alike.
 * @param timed undefined once there is no time left, as then is the result
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

/** The number of the fastest; of the usual, 0, where no other is clearly faster. */
export function fastest(times: ReadonlyMap<number, number>): number {
  const [best, time] = [...times].reduce((a, b) => (b[1] < a[1] ? b : a));
  return time < WORTH_IT * (times.get(0) ?? Infinity) ? best : 0;
}

function withImages(placed: PlacedConvolution, images: number): PlacedConvolution {
  const [, ...input] = placed.input;
  const [, ...output] = placed.output;
  return { ...placed, input: [images, ...input], output: [images, ...output] };
}

function candidateDispatches(
  parameters: GpuParameters,
  memory: Memory,
  direction: Direction,
  placed: PlacedConvolution,
  candidates: readonly Choice[],
): Dispatch[][] {
  const call = memory.uniform(callFields({ images: placed.input[0] }));
  const own = direction === 'weights' ? withOwnGradients(parameters, memory, placed) : parameters;
  const { busy } = parameters.gpu.tiles;
  const contexts = candidates.map(
    (choice): Context => ({
      parameters: own,
      choose: () => choice,
      points: pointBuffers(memory, { choose: () => choice, busy }, [placed], [direction], false),
      parts: partsFor(memory, () => choice, [placed], [direction]),
      busy,
      subgroups: parameters.gpu.subgroups,
      call,
      keys: undefined,
      uniform: (bytes) => memory.uniform(bytes),
    }),
  );
  const [x, y] = [placed.input, placed.output].map((shape) => memory.layers('a trial', paddedCount(shape)));
  switch (direction) {
    case 'forward':
      return contexts.map((context) => forwardDispatches(context, placed, x!, y!));
    case 'backward': {
      const dx = memory.layers('a trial', paddedCount(placed.input));
      return contexts.map((context) => inputGradient(context, placed, x!, y!, dx));
    }
    case 'weights': {
      const sums = memory.storage(
        'a trial',
        Math.max(...contexts.map((context) => sumsFor(context, placed))),
      );
      return contexts.map((context) =>
        weightGradients(context, placed, { x: x!, dy: y!, dx: undefined, sums }),
      );
    }
  }
}

/** The network's own gradients must not change. */
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
