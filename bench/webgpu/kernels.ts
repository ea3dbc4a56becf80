/**
 * Times VGG's convolutions on this machine's GPU, in all three directions, and compares them with a naive shader: one
 * kernel of each method or, with `--tiles`, all known tiles, followed by a table of the best of each method. A shape
 * has the input channels, output channels and side of a 3×3 convolution; a fourth number is the size of a kernel
 * without padding, as fc6's. `--hardware` uses a GPU's tiles on a software device, too. `node
 * dist/bench/webgpu/kernels.js [--tiles] [--shape 64x128x56 …] [--direction forward …] [--seconds 0.5] [--hardware]`
 */
import { parseArgs } from 'node:util';
import { parameterSpecs } from '../../src/core/layer.ts';
import type { Shape4 } from '../../src/core/shape.ts';
import { Memory } from '../../src/kernels/webgpu/buffers.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import { GpuParameters } from '../../src/kernels/webgpu/gpu-parameters.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { compileParameterPipelines } from '../../src/kernels/webgpu/parameter-pipelines.ts';
import { isConvolution, type PlacedConvolution, stagesOf } from '../../src/kernels/webgpu/stages.ts';
import { candidateTiles, HARDWARE } from '../../src/kernels/webgpu/tuning/candidate-tiles.ts';
import {
  type Choice,
  candidatesFor,
  choiceName,
  type Direction,
} from '../../src/kernels/webgpu/tuning/candidates.ts';
import { candidateDispatches } from '../../src/kernels/webgpu/tuning/measurement.ts';
import { seconds } from './clock.ts';
import { naiveDispatch, outSideOf, type Size } from './naive.ts';
import { Best, methodOf, printTable, type Row, shapeName } from './table.ts';

const { values: flags } = parseArgs({
  options: {
    tiles: { type: 'boolean', default: false },
    shape: { type: 'string', multiple: true, default: ['64x64x56', '128x128x28', '256x256x14', '512x512x7'] },
    direction: { type: 'string', multiple: true, default: ['forward', 'backward', 'weights'] },
    seconds: { type: 'string', default: '0.5' },
    hardware: { type: 'boolean', default: false },
  },
});

const gpu = await openNodeGpu(flags.hardware ? await hardwareTiles() : 'fp32');
const table: Row[] = [];
const lasting = Number(flags.seconds);
console.log(gpu.description);
for (const size of flags.shape.map(sizeOf)) {
  for (const direction of flags.direction as Direction[]) {
    const flops = 2 * size.kernel ** 2 * size.inChannels * size.outChannels * outSideOf(size) ** 2;
    const naive = await seconds(gpu, [naiveDispatch(gpu, direction, size)], lasting);
    report(size, direction, 'naive', naive, flops, naive);
    const best = new Best();
    const placed = placedConvolution(size);
    const specs = parameterSpecs([placed.stage.layer]);
    const parameters = new GpuParameters(gpu, await compileParameterPipelines(gpu), specs, {
      training: true,
    });
    for (const [name, choice] of choices(parameters, direction, placed)) {
      const memory = new Memory(gpu);
      const [dispatches] = candidateDispatches(parameters, memory, direction, placed, [choice]);
      const time = await seconds(gpu, dispatches!, lasting);
      memory.free();
      report(size, direction, name, time, flops, naive);
      best.add(methodOf(choice), time);
    }
    parameters.dispose();
    table.push({ size, direction, naive, best });
  }
}
if (flags.tiles) printTable(table);
gpu.device.destroy();

async function hardwareTiles(): Promise<GpuOptions> {
  const { limits } = await openNodeGpu();
  return { tiles: HARDWARE, candidates: candidateTiles(false, limits.workgroupBytes), schedules: 'off' };
}

function choices(
  parameters: GpuParameters,
  direction: Direction,
  placed: PlacedConvolution,
): (readonly [string, Choice])[] {
  const all = candidatesFor(gpu, parameters, direction, placed)
    // The same tile without a split, to show what the split gains.
    .flatMap((choice) =>
      choice.method === 'direct' && choice.splits ? [{ ...choice, splits: 1 }, choice] : [choice],
    )
    .map((choice) => [choiceName(choice), choice] as const);
  if (flags.tiles) return all;
  // One kernel of each method.
  const methods = ['direct', 'winograd'] as const;
  return methods.flatMap((method) => all.filter(([, choice]) => choice.method === method).slice(0, 1));
}

function sizeOf(text: string): Size {
  const [inChannels, outChannels, side, kernel] = text.split('x').map(Number) as [
    number,
    number,
    number,
    number | undefined,
  ];
  return { inChannels, outChannels, side, ...(kernel ? { kernel, padding: 0 } : { kernel: 3, padding: 1 }) };
}

/** A convolution of one image. */
function placedConvolution(size: Size): PlacedConvolution {
  const { inChannels, outChannels, side, kernel, padding } = size;
  const layer = {
    kind: 'convolution',
    name: 'conv',
    kernel,
    padding,
    inChannels,
    outChannels,
  } as const;
  const shapes: Shape4[] = [
    [1, inChannels, side, side],
    [1, outChannels, outSideOf(size), outSideOf(size)],
  ];
  return stagesOf([layer], shapes, true).find(isConvolution)!;
}

function report(
  size: Size,
  direction: Direction,
  name: string,
  time: number,
  flops: number,
  naive: number,
): void {
  const columns = [
    shapeName(size).padEnd(14),
    direction.padEnd(9),
    name.padEnd(16),
    `${(1000 * time).toFixed(2)} ms`.padStart(12),
    `${(flops / time / 1e9).toFixed(2)} GFLOP/s`.padStart(16),
    `${(naive / time).toFixed(1)} times naive`.padStart(20),
  ];
  console.log(columns.join(' '));
}
