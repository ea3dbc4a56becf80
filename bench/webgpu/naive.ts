/**
 * The baseline: one thread per value, canonical layouts, and a loop over channels and taps. This is the shader one
 * would write first.
 */
import { type Dispatch, numbers } from '../../src/kernels/webgpu/dispatch.ts';
import { type Gpu, groupsFor } from '../../src/kernels/webgpu/gpu.ts';
import { elementwise, head, reads, writes } from '../../src/kernels/webgpu/shaders/wgsl.ts';
import type { Direction } from '../../src/kernels/webgpu/tuning/candidates.ts';

/** A convolution of one image: 3×3 with padding 1, or like fc6, with a kernel as large as the map and no padding. */
export interface Size {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly side: number;
  readonly kernel: number;
  readonly padding: number;
}

export function outSideOf({ side, kernel, padding }: Size): number {
  return side + 2 * padding - kernel + 1;
}

const HEAD = `
${head(
  ['inChannels', 'outChannels', 'side', 'kernel', 'padding', 'sourceSide', 'resultSide'],
  reads('source', 'f32'),
  reads('other', 'f32'),
  writes('result', 'f32'),
)}
fn at(plane: u32, y: i32, x: i32) -> f32 {
  let side = i32(shape.sourceSide);
  if (y < 0 || x < 0 || y >= side || x >= side) { return 0.0; }
  return source[plane * shape.sourceSide * shape.sourceSide + u32(y * side + x)];
}
`;

const FORWARD = `${HEAD}${elementwise(
  'shape.outChannels * shape.resultSide * shape.resultSide',
  /* wgsl */ `  let area = shape.resultSide * shape.resultSide;
  let o = i / area;
  let y = i32(i % area / shape.resultSide);
  let x = i32(i % shape.resultSide);
  let k = i32(shape.kernel);
  let p = i32(shape.padding);
  let taps = shape.kernel * shape.kernel;
  var sum = 0.0;
  for (var c = 0u; c < shape.inChannels; c++) {
    for (var tap = 0; tap < i32(taps); tap++) {
      sum += at(c, y + tap / k - p, x + tap % k - p) * other[(o * shape.inChannels + c) * taps + u32(tap)];
    }
  }
  result[i] = sum;`,
)}`;

const BACKWARD = `${HEAD}${elementwise(
  'shape.inChannels * shape.resultSide * shape.resultSide',
  /* wgsl */ `  let area = shape.resultSide * shape.resultSide;
  let c = i / area;
  let y = i32(i % area / shape.resultSide);
  let x = i32(i % shape.resultSide);
  let k = i32(shape.kernel);
  let p = i32(shape.padding);
  let taps = shape.kernel * shape.kernel;
  var sum = 0.0;
  for (var o = 0u; o < shape.outChannels; o++) {
    for (var tap = 0; tap < i32(taps); tap++) {
      sum += at(o, y - tap / k + p, x - tap % k + p) * other[(o * shape.inChannels + c) * taps + u32(tap)];
    }
  }
  result[i] = sum;`,
)}`;

const WEIGHTS = `${HEAD}${elementwise(
  'shape.outChannels * shape.inChannels * shape.kernel * shape.kernel',
  /* wgsl */ `  let k = i32(shape.kernel);
  let p = i32(shape.padding);
  let taps = shape.kernel * shape.kernel;
  let tap = i32(i % taps);
  let c = i / taps % shape.inChannels;
  let o = i / taps / shape.inChannels;
  var sum = 0.0;
  for (var y = 0; y < i32(shape.resultSide); y++) {
    for (var x = 0; x < i32(shape.resultSide); x++) {
      sum += at(c, y + tap / k - p, x + tap % k - p) * other[(o * shape.resultSide + u32(y)) * shape.resultSide + u32(x)];
    }
  }
  result[i] += sum;`,
)}`;

export function naiveDispatch(gpu: Gpu, direction: Direction, size: Size): Dispatch {
  const { inChannels, outChannels, side, kernel, padding } = size;
  const outSide = outSideOf(size);
  const [x, y, w] = [
    inChannels * side ** 2,
    outChannels * outSide ** 2,
    kernel ** 2 * inChannels * outChannels,
  ];
  const buffer = (count: number) => gpu.storage('a tensor', count);
  const [sourceSide, resultSide] = direction === 'backward' ? [outSide, side] : [side, outSide];
  const shape = gpu.uniform(numbers(inChannels, outChannels, side, kernel, padding, sourceSide, resultSide));
  const make = (code: string, source: number, other: number, result: number): Dispatch => ({
    code,
    bindings: [shape, buffer(source), buffer(other), buffer(result)],
    groups: () => groupsFor(result),
  });
  switch (direction) {
    case 'forward':
      return make(FORWARD, x, w, y);
    case 'backward':
      return make(BACKWARD, y, w, x);
    case 'weights':
      return make(WEIGHTS, x, y, w);
  }
}
