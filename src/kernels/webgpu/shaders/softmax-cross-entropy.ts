import { REDUCED, reduction } from './reduction.ts';
import { callHead, reads, writes } from './wgsl.ts';

/**
 * Computes the gradient of the loss: scale · (p_k − [k = label]), one workgroup per image.
 * Bindings: call, shape `[classes, stride]`, logits, labels, gradient.
 */
export function lossGradient(subgroups: boolean): string {
  const { functions, parameter, argument } = reduction(subgroups, 'f32');
  return /* wgsl */ `
${callHead(['classes', 'stride'], reads('logits', 'stored'), reads('labels', 'u32'), writes('gradient', 'stored'))}
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
