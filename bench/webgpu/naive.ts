/**
 * What the kernels are compared with: one thread a value, canonical layouts, a loop over channels and taps. The
 * shader that one writes first.
 */
import type { Direction } from '../../src/kernels/webgpu/choices.ts';
import type { Gpu } from '../../src/kernels/webgpu/device.ts';
import { groupsFor } from '../../src/kernels/webgpu/device.ts';
import { type Dispatch, numbers } from '../../src/kernels/webgpu/dispatch.ts';
import { bindings, elementwise, shapeStruct } from '../../src/kernels/webgpu/shaders/common.ts';

/** A 3×3 convolution with padding 1, of one image. */
export interface Size {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly side: number;
}

const HEAD = `
${shapeStruct(['inChannels', 'outChannels', 'side', 'unused'])}
${bindings([
  ['shape', 'Shape', 'uniform'],
  ['source', 'array<f32>', 'read'],
  ['other', 'array<f32>', 'read'],
  ['result', 'array<f32>', 'read_write'],
])}
fn at(plane: u32, y: i32, x: i32) -> f32 {
  let side = i32(shape.side);
  if (y < 0 || x < 0 || y >= side || x >= side) { return 0.0; }
  return source[plane * shape.side * shape.side + u32(y * side + x)];
}
`;

const FORWARD = `${HEAD}${elementwise(
  'shape.outChannels * shape.side * shape.side',
  /* wgsl */ `  let area = shape.side * shape.side;
  let o = i / area;
  let y = i32(i % area / shape.side);
  let x = i32(i % shape.side);
  var sum = 0.0;
  for (var c = 0u; c < shape.inChannels; c++) {
    for (var tap = 0; tap < 9; tap++) {
      sum += at(c, y + tap / 3 - 1, x + tap % 3 - 1) * other[(o * shape.inChannels + c) * 9u + u32(tap)];
    }
  }
  result[i] = sum;`,
)}`;

const BACKWARD = `${HEAD}${elementwise(
  'shape.inChannels * shape.side * shape.side',
  /* wgsl */ `  let area = shape.side * shape.side;
  let c = i / area;
  let y = i32(i % area / shape.side);
  let x = i32(i % shape.side);
  var sum = 0.0;
  for (var o = 0u; o < shape.outChannels; o++) {
    for (var tap = 0; tap < 9; tap++) {
      sum += at(o, y - tap / 3 + 1, x - tap % 3 + 1) * other[(o * shape.inChannels + c) * 9u + u32(tap)];
    }
  }
  result[i] = sum;`,
)}`;

const WEIGHTS = `${HEAD}${elementwise(
  'shape.outChannels * shape.inChannels * 9u',
  /* wgsl */ `  let tap = i32(i % 9u);
  let c = i / 9u % shape.inChannels;
  let o = i / 9u / shape.inChannels;
  var sum = 0.0;
  for (var y = 0; y < i32(shape.side); y++) {
    for (var x = 0; x < i32(shape.side); x++) {
      sum += at(c, y + tap / 3 - 1, x + tap % 3 - 1) * other[(o * shape.side + u32(y)) * shape.side + u32(x)];
    }
  }
  result[i] += sum;`,
)}`;

export function naiveDispatch(
  gpu: Gpu,
  direction: Direction,
  { inChannels, outChannels, side }: Size,
): Dispatch {
  const [x, y, w] = [inChannels * side ** 2, outChannels * side ** 2, 9 * inChannels * outChannels];
  const shape = gpu.uniform(numbers(inChannels, outChannels, side, 0));
  const buffer = (count: number) => gpu.storage('a tensor', count);
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
