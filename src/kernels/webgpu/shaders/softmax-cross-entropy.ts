import { REDUCED, reduction } from './reduction.ts';
import { callHead, reads, writes } from './wgsl.ts';

/**
 * Computes the gradient of the loss: scale · w · (p_k − q_k), one workgroup per image; q is the smoothed label.
 * Bindings: call, shape `[classes, stride]`, logits, labels, targets (each image's w and label smoothing), gradient.
 */
export function lossGradient(subgroups: boolean): string {
  const { functions, parameter, argument } = reduction(subgroups, 'f32');
  return /* wgsl */ `
${callHead(['classes', 'stride'], reads('logits', 'stored'), reads('labels', 'u32'), reads('targets', 'vec2f'), writes('gradient', 'stored'))}
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
      let smoothing = targets[group.x].y;
      let wanted = smoothing / f32(shape.classes) + select(0.0, 1.0 - smoothing, k == labels[group.x]);
      value = call.gradientScale * targets[group.x].x * (exp(logit(base + k) - most) / sum - wanted);
    }
    gradient[base + k] = stored(value);
  }
}
`;
}
