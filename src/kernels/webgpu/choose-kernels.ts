/**
 * Which of the kernels that can do a convolution is the fastest on this device: measured once a shape, when a network
 * is compiled, and remembered. All give the same to within rounding, but not to the bit.
 */
import { UserError } from '../../core/errors.ts';
import { elementCount } from '../../core/shape.ts';
import {
  type Choice,
  type Choose,
  candidatesFor,
  choiceName,
  type Direction,
  isConvolution,
  type PlacedConvolution,
  usualChoice,
} from './choices.ts';
import type { GpuParameters } from './parameters.ts';
import type { PlacedStage } from './stages.ts';
import { measure } from './trials.ts';
import type { Tuning } from './tuning.ts';

/**
 * What each convolution of a program is computed with: what is remembered, else what is measured now, else the
 * usual. What costs most is measured first, until the time for it is over.
 */
export async function chooseKernels(
  parameters: GpuParameters,
  stages: readonly PlacedStage[],
  directions: readonly Direction[],
): Promise<Choose> {
  const { gpu } = parameters;
  const { tuning } = gpu;
  const usual = usualChoice(gpu.tiles, parameters);
  if (!tuning) return usual;
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
  return (direction, placed) => found.get(keyOf(parameters, direction, placed)) ?? usual(direction, placed);
}

/** The fastest, or undefined where there was no time or no memory to find out. */
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
    // Without room for a trial nothing is lost but the trial; whether the device is, the next call says.
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

/** Forward is another thing in inference, where weights are transformed only once; and all in f16. */
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
