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

const WEIGHTS_FIELDS = ['inChannels', 'taps', 'inVectors', 'panelVectors', 'firstInPanel', 'outChannels'];

/** Copies some output channels of canonical weights `[out, in, k, k]` into a panel or, with `back`, out of it. */
function weightsKernel(back: boolean): string {
  return `
${head(WEIGHTS_FIELDS, back ? writes('canonical', 'f32') : reads('canonical', 'f32'), back ? reads('panel', 'f32') : writes('panel', 'f32'))}
${elementwise(
  'shape.outChannels * shape.inChannels * shape.taps',
  /* wgsl */ `  let tap = i % shape.taps;
  let c = (i / shape.taps) % shape.inChannels;
  let o = shape.firstInPanel + i / (shape.taps * shape.inChannels);
  let at = (tap * 4u * shape.inVectors + c) * 4u * shape.panelVectors + o;
  ${back ? 'canonical[i] = panel[at];' : 'panel[at] = canonical[i];'}`,
)}
`;
}

/**
 * Bindings: shape, canonical weights of `outChannels` output channels, the panel `[k, k, in, out]` with both
 * channels in vectors of four; `firstInPanel` is the index of the first of them in the panel.
 */
export const PACK_WEIGHTS: string = weightsKernel(false);
export const UNPACK_WEIGHTS: string = weightsKernel(true);

/** Converts values to the storage format of factors. Bindings: shape `[vectors]`, values, factors. */
export const TO_FACTORS: string = `
${head(['vectors'], reads('values', 'vec4f'), writes('factors'))}
${elementwise('shape.vectors', '  factors[i] = stored4(values[i]);')}
`;
