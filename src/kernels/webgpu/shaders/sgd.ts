import { elementwise, head, writes } from './wgsl.ts';

/** SGD: v ← momentum · v − rate · (g + decay · w), w ← w + v, g ← 0. Bindings: shape, w, g, v. */
export const SGD: string = `
${head(['vectors', 'rate: f32', 'momentum: f32', 'decay: f32'], writes('w', 'vec4f'), writes('g', 'vec4f'), writes('v', 'vec4f'))}
${elementwise(
  'shape.vectors',
  /* wgsl */ `  let velocity = shape.momentum * v[i] - shape.rate * (g[i] + shape.decay * w[i]);
  v[i] = velocity;
  w[i] += velocity;
  g[i] = vec4f();`,
)}
`;
