/** Local response normalization across channels, one thread per value. */
import { callHead, elementwise, reads, writes } from './wgsl.ts';

const LRN_FIELDS = ['pixels', 'vectors', 'channels', 'half', 'k: f32', 'alpha: f32', 'beta: f32'];

const LRN_SCALE = /* wgsl */ `
/** s_c = k + α · Σ_j x_j² around channel c of a pixel that begins at \`base\`. */
fn scaleAt(base: u32, c: u32) -> f32 {
  var sum = 0.0;
  for (var j = max(c, shape.half) - shape.half; j <= min(c + shape.half, shape.channels - 1u); j++) {
    let value = f32(x[base + j]) / activationScale;
    sum += value * value;
  }
  return shape.k + shape.alpha * sum;
}
`;

/** Local response normalization, one thread per value. Bindings: call, shape, x, y (as scalars). */
export const LRN_FORWARD: string = `
${callHead(LRN_FIELDS, reads('x', 'stored'), writes('y', 'stored'))}
${LRN_SCALE}
${elementwise(
  'call.images * shape.pixels * 4u * shape.vectors',
  /* wgsl */ `  let c = i % (4u * shape.vectors);
  if (c >= shape.channels) { y[i] = stored(); return; }
  y[i] = stored(f32(x[i]) * pow(scaleAt(i - c, c), -shape.beta));`,
)}
`;

/**
 * ∂x_c = ∂y_c · s_c^−β − 2αβ · x_c · Σ_j ∂y_j · x_j · s_j^(−β−1). Bindings: call, shape, x, ∂y, ∂x (as scalars).
 */
export function lrnBackward(masked: boolean): string {
  return `
${callHead(LRN_FIELDS, reads('x', 'stored'), reads('dy', 'stored'), writes('dx', 'stored'))}
${LRN_SCALE}
${elementwise(
  'call.images * shape.pixels * 4u * shape.vectors',
  /* wgsl */ `  let c = i % (4u * shape.vectors);
  if (c >= shape.channels) { dx[i] = stored(); return; }
  let base = i - c;
  var shared_ = 0.0;
  for (var j = max(c, shape.half) - shape.half; j <= min(c + shape.half, shape.channels - 1u); j++) {
    shared_ += f32(dy[base + j]) * f32(x[base + j]) / activationScale * pow(scaleAt(base, j), -shape.beta - 1.0);
  }
  let value = f32(x[i]) / activationScale;
  let here = f32(dy[i]) * pow(scaleAt(base, c), -shape.beta) - 2.0 * shape.alpha * shape.beta * value * shared_;
  dx[i] = stored(inRange(vec4f(${masked ? 'select(0.0, here, value > 0.0)' : 'here'})).x);`,
)}
`;
}
