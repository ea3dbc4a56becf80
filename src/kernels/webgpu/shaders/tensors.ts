/** Between layouts, the loss's gradient, and the step of gradient descent. */
import { bindings, CALL, elementwise, shapeStruct } from './common.ts';
import { REDUCED, reduction } from './reduction.ts';

const PLANES = /* wgsl */ `
struct Shape { channels: u32, pixels: u32, vectors: u32, scale: f32 }
`;

/**
 * `[n, C, H, W]` to `[n, H, W, C]` in vectors of four, filled up with zeros, times `scale`.
 * Bindings: call, shape, planes, vectors.
 */
export function toVectorsOf(kind: 'layer' | 'gradient'): string {
  const scaled = 'shape.scale * value';
  return `
${CALL}
${PLANES}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['planes', 'array<f32>', 'read'],
  ['result', 'array<stored4>', 'read_write'],
])}
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

/** The way back, one thread a value. Bindings: call, shape, vectors (as scalars), planes. */
export const TO_PLANES: string = `
${CALL}
${PLANES}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['source', 'array<stored>', 'read'],
  ['planes', 'array<f32>', 'read_write'],
])}
${elementwise(
  'call.images * shape.pixels * shape.channels',
  /* wgsl */ `  let pixel = i % shape.pixels;
  let channel = (i / shape.pixels) % shape.channels;
  let image = i / (shape.pixels * shape.channels);
  planes[i] = shape.scale * f32(source[(image * shape.pixels + pixel) * 4u * shape.vectors + channel]);`,
)}
`;

const WEIGHTS = shapeStruct([
  'inChannels',
  'taps',
  'inVectors',
  'panelVectors',
  'firstInPanel',
  'outChannels',
]);

/** Some output channels of canonical weights `[out, in, k, k]` into a panel, or (`back`) out of it. */
function weightsKernel(back: boolean): string {
  return `
${WEIGHTS}
${bindings([
  ['shape', 'Shape', 'uniform'],
  ['canonical', 'array<f32>', back ? 'read_write' : 'read'],
  ['panel', 'array<f32>', back ? 'read' : 'read_write'],
])}
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
 * channels in vectors of four; `firstInPanel` is where in the panel the first of them stands.
 */
export const PACK_WEIGHTS: string = weightsKernel(false);
export const UNPACK_WEIGHTS: string = weightsKernel(true);

/**
 * The gradient of the loss: scale · (p_k − [k = label]), one workgroup an image.
 * Bindings: call, shape `[classes, stride]`, logits, labels, gradient.
 */
export function lossGradient(subgroups: boolean): string {
  const { functions, parameter, argument } = reduction(subgroups, 'f32');
  return /* wgsl */ `
${CALL}
${shapeStruct(['classes', 'stride'])}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['logits', 'array<stored>', 'read'],
  ['labels', 'array<u32>', 'read'],
  ['gradient', 'array<stored>', 'read_write'],
])}
${functions}
fn logit(at: u32) -> f32 { return f32(logits[at]) / activationScale; }

@compute @workgroup_size(${REDUCED})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32${parameter}) {
  let base = group.x * shape.stride;
  var most = logit(base);
  for (var k = local; k < shape.classes; k += ${REDUCED}u) { most = max(most, logit(base + k)); }
  most = largest(most, local${argument});
  var sum = 0.0;
  for (var k = local; k < shape.classes; k += ${REDUCED}u) { sum += exp(logit(base + k) - most); }
  sum = total(sum, local${argument});
  for (var k = local; k < shape.stride; k += ${REDUCED}u) {
    var value = 0.0;
    if (k < shape.classes) {
      let one = select(0.0, 1.0, k == labels[group.x]);
      value = call.gradientScale * (exp(logit(base + k) - most) / sum - one);
    }
    gradient[base + k] = stored(value);
  }
}
`;
}

/** Values as factors of products are kept. Bindings: shape `[vectors]`, values, factors. */
export const TO_FACTORS: string = `
${shapeStruct(['vectors'])}
${bindings([
  ['shape', 'Shape', 'uniform'],
  ['values', 'array<vec4f>', 'read'],
  ['factors', 'array<stored4>', 'read_write'],
])}
${elementwise('shape.vectors', '  factors[i] = stored4(values[i]);')}
`;

/** v ← momentum · v − rate · (g + decay · w), w ← w + v, g ← 0. Bindings: step, w, g, v. */
export const SGD: string = `
struct Step { vectors: u32, rate: f32, momentum: f32, decay: f32 }
${bindings([
  ['step', 'Step', 'uniform'],
  ['w', 'array<vec4f>', 'read_write'],
  ['g', 'array<vec4f>', 'read_write'],
  ['v', 'array<vec4f>', 'read_write'],
])}
${elementwise(
  'step.vectors',
  /* wgsl */ `  let velocity = step.momentum * v[i] - step.rate * (g[i] + step.decay * w[i]);
  v[i] = velocity;
  w[i] += velocity;
  g[i] = vec4f();`,
)}
`;
