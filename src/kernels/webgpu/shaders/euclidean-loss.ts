import { REDUCED } from './reduction.ts';
import { callHead, reads, writes } from './wgsl.ts';

/**
 * Computes the gradient of the Euclidean loss: scale · w · (output − target), one workgroup per image.
 * Bindings: call, shape `[outputs, stride]`, outputs, targets (each output's target and w, 0 where it has none), gradient.
 */
export const euclideanGradient = /* wgsl */ `
${callHead(['outputs', 'stride'], reads('outputs', 'stored'), reads('targets', 'vec2f'), writes('gradient', 'stored'))}
@compute @workgroup_size(${REDUCED})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  for (var k = local; k < shape.stride; k += ${REDUCED}u) {
    let at = group.x * shape.stride + k;
    var value = 0.0;
    if (k < shape.outputs) {
      let wanted = targets[group.x * shape.outputs + k];
      value = call.gradientScale * wanted.y * (f32(outputs[at]) / activationScale - wanted.x);
    }
    gradient[at] = stored(value);
  }
}
`;
