/** Adaptive pooling of maps to side × side (`AdaptivePoolLayer`). */
import type { AdaptivePoolLayer } from '../../../core/layer.ts';
import { IS_ABOVE } from './max-pool.ts';
import { callHead, elementwise, maskedGradient, reads, writes } from './wgsl.ts';

const FIELDS = ['height', 'width', 'vectors', 'side'];

/** The first and the last row (or column) that are pooled into row `v`. */
const WINDOWS = /* wgsl */ `
fn firstOf(v: u32, extent: u32) -> u32 { return v * extent / shape.side; }
fn lastOf(v: u32, extent: u32) -> u32 { return ((v + 1u) * extent + shape.side - 1u) / shape.side - 1u; }
`;

const AVERAGE = `
${callHead(FIELDS, reads('x'), writes('y'))}
${WINDOWS}
${elementwise(
  'call.images * shape.side * shape.side * shape.vectors',
  /* wgsl */ `  let window = i / shape.vectors;
  let v = window / shape.side % shape.side;
  let u = window % shape.side;
  let first = window / (shape.side * shape.side) * shape.height * shape.width;
  var sum = vec4f();
  for (var row = firstOf(v, shape.height); row <= lastOf(v, shape.height); row++) {
    for (var column = firstOf(u, shape.width); column <= lastOf(u, shape.width); column++) {
      sum += vec4f(x[(first + row * shape.width + column) * shape.vectors + i % shape.vectors]);
    }
  }
  let area = (lastOf(v, shape.height) - firstOf(v, shape.height) + 1u) *
    (lastOf(u, shape.width) - firstOf(u, shape.width) + 1u);
  y[i] = stored4(sum / f32(area));`,
)}
`;

/** One thread per vector of the input: it sums the gradients of the windows that the pixel is in. */
function averageBackward(masked: boolean): string {
  return `
${callHead(FIELDS, reads('dy'), writes('dx'), ...(masked ? [reads('x')] : []))}
${WINDOWS}
${elementwise(
  'call.images * shape.height * shape.width * shape.vectors',
  /* wgsl */ `  let pixel = i / shape.vectors;
  let row = pixel / shape.width % shape.height;
  let column = pixel % shape.width;
  let first = pixel / (shape.height * shape.width) * shape.side * shape.side;
  var sum = vec4f();
  for (var v = row * shape.side / shape.height; v < shape.side && firstOf(v, shape.height) <= row; v++) {
    let rows = lastOf(v, shape.height) - firstOf(v, shape.height) + 1u;
    for (var u = column * shape.side / shape.width; u < shape.side && firstOf(u, shape.width) <= column; u++) {
      let columns = lastOf(u, shape.width) - firstOf(u, shape.width) + 1u;
      sum += vec4f(dy[(first + v * shape.side + u) * shape.vectors + i % shape.vectors]) / f32(rows * columns);
    }
  }
  dx[i] = ${maskedGradient(masked, 'stored4(inRange(sum))', 'x[i]')};`,
)}
`;
}

/** Starts a thread that finds the first maximum of a map, and its pixel. */
const FIND_MAXIMUM = /* wgsl */ `  let pixels = shape.height * shape.width;
  let first = i / shape.vectors * pixels * shape.vectors + i % shape.vectors;
  var best = vec4f(x[first]);
  var place = vec4u();
  for (var n = 1u; n < pixels; n++) {
    let value = vec4f(x[first + n * shape.vectors]);
    let above = isAbove(value, best);
    best = select(best, value, above);
    place = select(place, vec4u(n), above);
  }`;

const MAX = `
${callHead(FIELDS, reads('x'), writes('y'))}
${IS_ABOVE}
${elementwise('call.images * shape.vectors', `${FIND_MAXIMUM}\n  y[i] = stored4(best);`)}
`;

/** One thread per vector of the output. */
function maxBackward(masked: boolean): string {
  return `
${callHead(FIELDS, reads('x'), reads('dy'), writes('dx'))}
${IS_ABOVE}
${elementwise(
  'call.images * shape.vectors',
  /* wgsl */ `${FIND_MAXIMUM}
  for (var n = 0u; n < pixels; n++) {
    let at = first + n * shape.vectors;
    dx[at] = ${maskedGradient(masked, 'select(stored4(), dy[i], place == vec4u(n))', 'x[at]')};
  }`,
)}
`;
}

/** Bindings: call, shape, x, y. Elements: vectors of the output. */
export function adaptivePool({ method }: AdaptivePoolLayer): string {
  return method === 'max' ? MAX : AVERAGE;
}

/**
 * Average: bindings call, shape, ∂y, ∂x and, with `masked`, x; elements: vectors of the input.
 * Max: bindings call, shape, x, ∂y, ∂x; elements: vectors of the output.
 */
export function adaptivePoolBackward({ method }: AdaptivePoolLayer, masked: boolean): string {
  return method === 'max' ? maxBackward(masked) : averageBackward(masked);
}
