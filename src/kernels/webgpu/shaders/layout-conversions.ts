/** Converts activations, weights and the factors of products between their canonical layout and the GPU's. */
import { callHead, elementwise, head, reads, writes } from './wgsl.ts';

const PLANES_FIELDS = ['channels', 'pixels', 'vectors', 'scale: f32'];

/**
 * Converts `[n, C, H, W]` to `[n, H, W, C]` in vectors of four, padded with zeros, times `scale`.
 * Bindings: call, shape, planes, vectors.
 */
export function toVectorsOf(kind: 'layer' | 'gradient'): string {
  const scaled = 'shape.scale * value';
  return `
${callHead(PLANES_FIELDS, reads('planes', 'f32'), writes('result'))}
${elementwise(
  'call.images * shape.pixels * shape.vectors',
  /* wgsl */ `  let pixel = (i / shape.vectors) % shape.pixels;
  let image = i / (shape.vectors * shape.pixels);
  var value = vec4f();
  for (var j = 0u; j < 4u; j++) {
    let channel = 4u * (i % shape.vectors) + j;
    if (channel < shape.channels) { value[j] = planes[(image * shape.channels + channel) * shape.pixels + pixel]; }
  }
  result[i] = stored4(${kind === 'layer' ? scaled : `inRange(${scaled})`});`,
)}
`;
}

/** The inverse of `toVectorsOf`, one thread per value. Bindings: call, shape, vectors (as scalars), planes. */
export const TO_PLANES: string = `
${callHead(PLANES_FIELDS, reads('source', 'stored'), writes('planes', 'f32'))}
${elementwise(
  'call.images * shape.pixels * shape.channels',
  /* wgsl */ `  let pixel = i % shape.pixels;
  let channel = (i / shape.pixels) % shape.channels;
  let image = i / (shape.pixels * shape.channels);
  planes[i] = shape.scale * f32(source[(image * shape.pixels + pixel) * 4u * shape.vectors + channel]);`,
)}
`;

const WEIGHTS_FIELDS = ['inChannels', 'taps', 'inVectors', 'panelVectors', 'start', 'count'];

/** Where the piece's i-th value is in the panel. */
const PLACE = /* wgsl */ `
fn placeOf(i: u32) -> u32 {
  let at = shape.start + i;
  let tap = at % shape.taps;
  let c = (at / shape.taps) % shape.inChannels;
  let o = at / (shape.taps * shape.inChannels);
  return (tap * 4u * shape.inVectors + c) * 4u * shape.panelVectors + o;
}
`;

/**
 * Copies canonical values of a weight `[out, in, k, k]` into a panel. Bindings: shape, the canonical values, the panel
 * `[k, k, in, out]` with both channels in vectors of four; `start` counts canonical values from the panel's first one.
 */
export const PACK_WEIGHTS: string = `
${head(WEIGHTS_FIELDS, reads('canonical', 'f32'), writes('panel', 'f32'))}${PLACE}
${elementwise('shape.count', '  panel[placeOf(i)] = canonical[i];')}
`;

/** The inverse of `PACK_WEIGHTS`. */
export const UNPACK_WEIGHTS: string = `
${head(WEIGHTS_FIELDS, writes('canonical', 'f32'), reads('panel', 'f32'))}${PLACE}
${elementwise('shape.count', '  canonical[i] = panel[placeOf(i)];')}
`;

/** `PACK_WEIGHTS` from bf16, two values to a word. */
export const PACK_BF16_WEIGHTS: string = `
${head(WEIGHTS_FIELDS, reads('canonical', 'u32'), writes('panel', 'f32'))}${PLACE}
${elementwise(
  'shape.count',
  '  panel[placeOf(i)] = bitcast<f32>((canonical[i / 2u] >> (16u * (i % 2u))) << 16u);',
)}
`;

/** `UNPACK_WEIGHTS` to bf16, two values to a word, rounded to the nearest, ties to even. */
export const UNPACK_BF16_WEIGHTS: string = `
${head(WEIGHTS_FIELDS, writes('canonical', 'u32'), reads('panel', 'f32'))}${PLACE}
fn shortened(i: u32) -> u32 {
  if (i >= shape.count) { return 0u; }
  let bits = bitcast<u32>(panel[placeOf(i)]);
  // Rounding must not turn a NaN into infinity.
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return (bits >> 16u) | 0x40u; }
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}
${elementwise('(shape.count + 1u) / 2u', '  canonical[i] = shortened(2u * i) | (shortened(2u * i + 1u) << 16u);')}
`;

/** Converts values to the storage format of factors. Bindings: shape `[vectors]`, values, factors. */
export const TO_FACTORS: string = `
${head(['vectors'], reads('values', 'vec4f'), writes('factors'))}
${elementwise('shape.vectors', '  factors[i] = stored4(values[i]);')}
`;
