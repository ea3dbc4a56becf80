/** The two layers that work value by value, one thread per vector of four channels. */
import { callHead, elementwise, maskedGradient, reads, writes } from './wgsl.ts';

/** max(x, 0); NaN stays NaN. Bindings: call, shape `[vectors per image]`, x, y. */
export const RELU: string = `
${callHead(['vectors'], reads('x'), writes('y'))}
${elementwise('call.images * shape.vectors', '  y[i] = select(x[i], stored4(), x[i] < stored4());')}
`;

/** ∂y where x > 0, else 0. Bindings: call, shape, x, ∂y, ∂x. */
export const RELU_BACKWARD: string = `
${callHead(['vectors'], reads('x'), reads('dy'), writes('dx'))}
${elementwise('call.images * shape.vectors', '  dx[i] = select(stored4(), dy[i], x[i] > stored4());')}
`;

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
 * Dropout, forward and backward (where x and y are gradients). Value u of an image's `[C, H, W]` is dropped if word
 * u mod 2 of threefry(key, (ordinal, ⌊u / 2⌋)) is below the threshold.
 * Bindings: call, shape, keys, x, y, and with `masked` the layer's input.
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
  y[i] = ${maskedGradient(masked, value, 'activation[i]')};`,
)}
`;
}
