/**
 * The convolutions of VGG on this machine's GPU, in all three directions, against a naive shader; with `--tiles` each
 * tile that is known by itself, else one of each method. `node dist/bench/webgpu/kernels.js [--tiles] [--shape 64x128x56 …]
 * [--direction forward …] [--seconds 0.5]`
 */
import { parseArgs } from 'node:util';
import { parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import { inputGradient, sumsFor, weightGradients } from '../../src/kernels/webgpu/backward.ts';
import {
  type Choice,
  candidatesFor,
  choiceName,
  type Direction,
  isConvolution,
  type PlacedConvolution,
} from '../../src/kernels/webgpu/choices.ts';
import type { Gpu } from '../../src/kernels/webgpu/device.ts';
import { callFields, type Dispatch, encode, prepare } from '../../src/kernels/webgpu/dispatch.ts';
import { type Context, forwardDispatches } from '../../src/kernels/webgpu/forward.ts';
import { Memory } from '../../src/kernels/webgpu/memory.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { compileParameterPipelines, GpuParameters } from '../../src/kernels/webgpu/parameters.ts';
import { paddedCount, stagesOf } from '../../src/kernels/webgpu/stages.ts';
import { pointBuffers } from '../../src/kernels/webgpu/winograd.ts';
import { naiveDispatch, type Size } from './naive.ts';

const { values: flags } = parseArgs({
  options: {
    tiles: { type: 'boolean', default: false },
    shape: { type: 'string', multiple: true, default: ['64x64x56', '128x128x28', '256x256x14', '512x512x7'] },
    direction: { type: 'string', multiple: true, default: ['forward', 'backward', 'weights'] },
    seconds: { type: 'string', default: '0.5' },
  },
});

const gpu = await openNodeGpu();
console.log(gpu.description);
for (const size of flags.shape.map(sizeOf)) {
  for (const direction of flags.direction as Direction[]) {
    const flops = 18 * size.inChannels * size.outChannels * size.side ** 2;
    const naive = await seconds(gpu, [naiveDispatch(gpu, direction, size)]);
    report(size, direction, 'naive', naive, flops, naive);
    const placed = placedConvolution(size);
    const specs = parameterSpecs([placed.stage.layer]);
    const parameters = new GpuParameters(gpu, await compileParameterPipelines(gpu), specs, true);
    for (const [name, choice] of choices(parameters, direction, placed)) {
      const memory = new Memory(gpu);
      const dispatches = ours(memory, parameters, direction, placed, choice);
      report(size, direction, name, await seconds(gpu, dispatches), flops, naive);
    }
  }
}
gpu.device.destroy();

function choices(
  parameters: GpuParameters,
  direction: Direction,
  placed: PlacedConvolution,
): (readonly [string, Choice])[] {
  const all = candidatesFor(gpu, parameters, direction, placed).map(
    (choice) => [choiceName(choice), choice] as const,
  );
  if (flags.tiles) return all;
  // One of each method.
  const methods = ['direct', 'winograd'] as const;
  return methods.flatMap((method) => all.filter(([, choice]) => choice.method === method).slice(0, 1));
}

function sizeOf(text: string): Size {
  const [inChannels, outChannels, side] = text.split('x').map(Number) as [number, number, number];
  return { inChannels, outChannels, side };
}

/** One image through a convolution with padding 1. */
function placedConvolution({ inChannels, outChannels, side }: Size): PlacedConvolution {
  const layer = {
    kind: 'convolution',
    name: 'conv',
    kernel: 3,
    padding: 1,
    inChannels,
    outChannels,
  } as const;
  const shapes: Shape4[] = [
    [1, inChannels, side, side],
    [1, outChannels, side, side],
  ];
  return stagesOf([layer], shapes, true).find(isConvolution)!;
}

function ours(
  memory: Memory,
  parameters: GpuParameters,
  direction: Direction,
  placed: PlacedConvolution,
  choice: Choice,
): readonly Dispatch[] {
  const choose = () => choice;
  const transformed = direction === 'weights' ? [] : [direction];
  const context: Context = {
    parameters,
    choose,
    points: pointBuffers(memory, choose, [placed], transformed, false),
    busy: gpu.tiles.busy,
    call: memory.uniform(callFields({ images: 1 })),
    keys: undefined,
    uniform: (bytes) => memory.uniform(bytes),
  };
  const [x, y, dx] = [placed.input, placed.output, placed.input].map((shape) =>
    memory.layers('a tensor', paddedCount(shape)),
  ) as [GPUBuffer, GPUBuffer, GPUBuffer];
  if (direction === 'forward') return forwardDispatches(context, placed, x, y);
  if (direction === 'backward') return inputGradient(context, placed, x, y, dx);
  const sums = memory.storage('sums', Math.max(4, sumsFor(context, placed)));
  return weightGradients(context, placed, { x, dy: y, dx: undefined, sums });
}

/**
 * Seconds a run, the fastest of a few, after one that warms up; on a software device those of the processor, which
 * do not grow when the machine has other work.
 */
async function seconds(gpu: Gpu, dispatches: readonly Dispatch[]): Promise<number> {
  const prepared = await prepare(gpu, dispatches);
  let best = Infinity;
  const end = performance.now() + 1000 * Number(flags.seconds);
  for (let run = 0; run < 3 || performance.now() < end; run++) {
    const start = now(gpu);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, prepared, 1);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.device.queue.onSubmittedWorkDone();
    if (run > 0) best = Math.min(best, now(gpu) - start);
  }
  return best;
}

function now({ isSoftware }: Gpu): number {
  if (!isSoftware) return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function report(
  { inChannels, outChannels, side }: Size,
  direction: Direction,
  name: string,
  time: number,
  flops: number,
  naive: number,
): void {
  const columns = [
    `${inChannels}x${outChannels}x${side}`.padEnd(12),
    direction.padEnd(9),
    name.padEnd(16),
    `${(1000 * time).toFixed(2)} ms`.padStart(12),
    `${(flops / time / 1e9).toFixed(2)} GFLOP/s`.padStart(16),
    `${(naive / time).toFixed(1)} times naive`.padStart(20),
  ];
  console.log(columns.join(' '));
}
