/** Every layer but convolution, forward and backward, one thread per vector of four channels. */
import { callHead, elementwise, reads, writes } from './common.ts';

const MAP_FIELDS = ['height', 'width', 'vectors', 'outHeight', 'outWidth'];

/** What a backward kernel stores: 0 where the layer's input, which a ReLU made, is 0. */
function through(masked: boolean, gradient: string, input: string): string {
  return masked ? `select(stored4(), ${gradient}, ${input} > stored4())` : gradient;
}

/** max(x, 0), NaN stays NaN. Bindings: call, shape `[vectors per image]`, x, y. */
export const RELU: string = `
${callHead(['vectors'], reads('x'), writes('y'))}
${elementwise('call.images * shape.vectors', '  y[i] = select(x[i], stored4(), x[i] < stored4());')}
`;

/** ∂y where x > 0, else 0. Bindings: call, shape, x, ∂y, ∂x. */
export const RELU_BACKWARD: string = `
${callHead(['vectors'], reads('x'), reads('dy'), writes('dx'))}
${elementwise('call.images * shape.vectors', '  dx[i] = select(stored4(), dy[i], x[i] > stored4());')}
`;

/** By bits, as a shader compiler may assume that there are no NaNs. */
const IS_NAN = /* wgsl */ `
fn isNan(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }
fn isAbove(a: vec4f, b: vec4f) -> vec4<bool> { return (a > b) | (isNan(a) & !isNan(b)); }
`;

/** 2×2 max pooling. Bindings: call, shape, x, y. */
export const MAX_POOL: string = `
${callHead(MAP_FIELDS, reads('x'), writes('y'))}
${IS_NAN}
${elementwise(
  'call.images * shape.outHeight * shape.outWidth * shape.vectors',
  /* wgsl */ `  let pixel = i / shape.vectors;
  let row = (pixel / shape.outWidth) % shape.outHeight * 2u;
  let column = pixel % shape.outWidth * 2u;
  let image = pixel / (shape.outHeight * shape.outWidth);
  let corner = ((image * shape.height + row) * shape.width + column) * shape.vectors + i % shape.vectors;
  var best = vec4f(x[corner]);
  for (var v = 0u; v < 2u; v++) {
    for (var u = 0u; u < 2u; u++) {
      if (row + v >= shape.height || column + u >= shape.width) { continue; }
      let value = vec4f(x[corner + (v * shape.width + u) * shape.vectors]);
      best = select(best, value, isAbove(value, best));
    }
  }
  y[i] = stored4(best);`,
)}
`;

/**
 * Each ∂y goes to the first maximum of its window. One thread per window, including those that rounding down drops,
 * whose gradient is 0. Bindings: call, shape, x, ∂y, ∂x. Elements: ⌈height / 2⌉ · ⌈width / 2⌉ · vectors per image.
 */
export function maxPoolBackward(masked: boolean): string {
  return `
${callHead(MAP_FIELDS, reads('x'), reads('dy'), writes('dx'))}
${IS_NAN}
${elementwise(
  'call.images * ((shape.height + 1u) / 2u) * ((shape.width + 1u) / 2u) * shape.vectors',
  /* wgsl */ `  let windowsDown = (shape.height + 1u) / 2u;
  let windowsAcross = (shape.width + 1u) / 2u;
  let window = i / shape.vectors;
  let v0 = (window / windowsAcross) % windowsDown;
  let u0 = window % windowsAcross;
  let image = window / (windowsDown * windowsAcross);
  let vector = i % shape.vectors;
  let corner = ((image * shape.height + 2u * v0) * shape.width + 2u * u0) * shape.vectors + vector;
  var dyHere = stored4();
  if (v0 < shape.outHeight && u0 < shape.outWidth) {
    dyHere = dy[((image * shape.outHeight + v0) * shape.outWidth + u0) * shape.vectors + vector];
  }
  var best = vec4f(x[corner]);
  var place = vec4u();
  for (var n = 1u; n < 4u; n++) {
    if (2u * v0 + n / 2u >= shape.height || 2u * u0 + n % 2u >= shape.width) { continue; }
    let value = vec4f(x[corner + (n / 2u * shape.width + n % 2u) * shape.vectors]);
    let above = isAbove(value, best);
    best = select(best, value, above);
    place = select(place, vec4u(n), above);
  }
  for (var n = 0u; n < 4u; n++) {
    if (2u * v0 + n / 2u >= shape.height || 2u * u0 + n % 2u >= shape.width) { continue; }
    let at = corner + (n / 2u * shape.width + n % 2u) * shape.vectors;
    dx[at] = ${through(masked, 'select(stored4(), dyHere, place == vec4u(n))', 'x[at]')};
  }`,
)}
`;
}

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

/** Threefry-2x32 with 20 rounds, bit for bit as in src/core/random.ts. */
const THREEFRY = /* wgsl */ `
fn mixed(x: vec2u, bits: u32) -> vec2u {
  let sum = x.x + x.y;
  return vec2u(sum, ((x.y << bits) | (x.y >> (32u - bits))) ^ sum);
}

fn fourRounds(x: vec2u, bits: vec4u) -> vec2u {
  return mixed(mixed(mixed(mixed(x, bits.x), bits.y), bits.z), bits.w);
}

fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let odd = vec4u(13u, 15u, 26u, 6u);
  let even = vec4u(17u, 29u, 16u, 24u);
  let last = 0x1bd11bdau ^ key.x ^ key.y;
  var x = fourRounds(counter + key, odd) + vec2u(key.y, last + 1u);
  x = fourRounds(x, even) + vec2u(last, key.x + 2u);
  x = fourRounds(x, odd) + vec2u(key.x, key.y + 3u);
  x = fourRounds(x, even) + vec2u(key.y, last + 4u);
  return fourRounds(x, odd) + vec2u(last, key.x + 5u);
}
`;

const DROPOUT_FIELDS = ['pixels', 'vectors', 'ordinal', 'threshold', 'scale: f32'];

/**
 * Dropout, forward and backward (where x and y are gradients). Value u of an image's `[C, H, W]` takes word u mod 2 of
 * threefry(key, (ordinal, ⌊u / 2⌋)) and is dropped where that is below the threshold.
 * Bindings: call, shape, keys, x, y, then with `masked` the layer's input.
 */
export function dropout(direction: 'forward' | 'backward', masked = false): string {
  const value = direction === 'forward' ? 'stored4(value)' : 'stored4(inRange(value))';
  return `
${callHead(DROPOUT_FIELDS, reads('keys', 'vec2u'), reads('x'), writes('y'), ...(masked ? [reads('activation')] : []))}
${THREEFRY}
${elementwise(
  'call.images * shape.pixels * shape.vectors',
  /* wgsl */ `  var value = vec4f(x[i]);
  if (call.hasKeys == 1u) {
    let pixel = (i / shape.vectors) % shape.pixels;
    let key = keys[i / (shape.vectors * shape.pixels)];
    for (var j = 0u; j < 4u; j++) {
      let u = (4u * (i % shape.vectors) + j) * shape.pixels + pixel;
      let word = threefry(key, vec2u(shape.ordinal, u / 2u))[u % 2u];
      value[j] = select(value[j] * shape.scale, 0.0, word < shape.threshold);
    }
  }
  y[i] = ${through(masked, value, 'activation[i]')};`,
)}
`;
}
