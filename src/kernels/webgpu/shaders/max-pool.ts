/** 2×2 max pooling with stride 2, one thread per vector of four channels. */
import { callHead, elementwise, maskedGradient, reads, writes } from './wgsl.ts';

const MAP_FIELDS = ['height', 'width', 'vectors', 'outHeight', 'outWidth'];

/** Compares bits, as a shader compiler may assume that there are no NaNs. */
export const IS_ABOVE = /* wgsl */ `
fn isNan(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }
fn isAbove(a: vec4f, b: vec4f) -> vec4<bool> { return (a > b) | (isNan(a) & !isNan(b)); }
`;

/** 2×2 max pooling. Bindings: call, shape, x, y. */
export const MAX_POOL: string = `
${callHead(MAP_FIELDS, reads('x'), writes('y'))}
${IS_ABOVE}
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
 * Passes each ∂y to the first maximum of its window. One thread per window, including windows that rounding down drops,
 * whose gradient is 0. Bindings: call, shape, x, ∂y, ∂x. Elements: ⌈height / 2⌉ · ⌈width / 2⌉ · vectors per image.
 */
export function maxPoolBackward(masked: boolean): string {
  return `
${callHead(MAP_FIELDS, reads('x'), reads('dy'), writes('dx'))}
${IS_ABOVE}
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
    dx[at] = ${maskedGradient(masked, 'select(stored4(), dyHere, place == vec4u(n))', 'x[at]')};
  }`,
)}
`;
}
