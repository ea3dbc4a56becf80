/** Between layouts, the loss's gradient, and the step of gradient descent. */
import { bindings, CALL, elementwise, shapeStruct } from './common.ts';

/**
 * `[n, C, H, W]` to `[n, H, W, C]` in vectors of four, filled up with zeros.
 * Bindings: call, shape `[channels, pixels, vectors]`, planes, vectors.
 */
export const TO_VECTORS: string = `
${CALL}
${shapeStruct(['channels', 'pixels', 'vectors'])}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['planes', 'array<f32>', 'read'],
  ['result', 'array<vec4f>', 'read_write'],
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
  result[i] = value;`,
)}
`;

/** The way back, one thread a value. Bindings: call, shape, vectors (as scalars), planes. */
export const TO_PLANES: string = `
${CALL}
${shapeStruct(['channels', 'pixels', 'vectors'])}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['source', 'array<f32>', 'read'],
  ['planes', 'array<f32>', 'read_write'],
])}
${elementwise(
  'call.images * shape.pixels * shape.channels',
  /* wgsl */ `  let pixel = i % shape.pixels;
  let channel = (i / shape.pixels) % shape.channels;
  let image = i / (shape.pixels * shape.channels);
  planes[i] = source[(image * shape.pixels + pixel) * 4u * shape.vectors + channel];`,
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
export const LOSS_GRADIENT: string = /* wgsl */ `
${CALL}
${shapeStruct(['classes', 'stride'])}
${bindings([
  ['call', 'Call', 'uniform'],
  ['shape', 'Shape', 'uniform'],
  ['logits', 'array<f32>', 'read'],
  ['labels', 'array<u32>', 'read'],
  ['gradient', 'array<f32>', 'read_write'],
])}
var<workgroup> parts: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let base = group.x * shape.stride;
  var largest = logits[base];
  for (var k = local; k < shape.classes; k += 64u) { largest = max(largest, logits[base + k]); }
  parts[local] = largest;
  workgroupBarrier();
  for (var other = 0u; other < 64u; other++) { largest = max(largest, parts[other]); }
  workgroupBarrier();
  var sum = 0.0;
  for (var k = local; k < shape.classes; k += 64u) { sum += exp(logits[base + k] - largest); }
  parts[local] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var other = 0u; other < 64u; other++) { sum += parts[other]; }
  for (var k = local; k < shape.stride; k += 64u) {
    var value = 0.0;
    if (k < shape.classes) {
      let one = select(0.0, 1.0, k == labels[group.x]);
      value = call.gradientScale * (exp(logits[base + k] - largest) / sum - one);
    }
    gradient[base + k] = value;
  }
}
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
