/**
 * Shapes of tensors, outermost dimension first. The letters used everywhere: N images in a batch, C channels, H rows,
 * W columns. All tensors are contiguous, row-major and float32 unless stated otherwise.
 */
export type Shape = readonly number[];

/** `[batch, channels, height, width]` */
export type Shape4 = readonly [batch: number, channels: number, height: number, width: number];

/** Three numbers in the order red, green, blue. */
export type Rgb = readonly [red: number, green: number, blue: number];

export function elementCount(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** `64×3×3×3` */
export function formatShape(shape: Shape): string {
  return shape.length === 0 ? 'scalar' : shape.join('×');
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}
