/**
 * What layers, their gradients and the factors of products are kept as, in memory and in a workgroup's: `stored`,
 * `stored4`. Every shader is written for both; sums are always of float32, and the product of two f16 values is exact
 * there. Parameters, their gradients and velocities stay float32.
 */

export type GpuPrecision = 'fp32' | 'f16';

export const F16_LARGEST = 65_504;

/**
 * f16 ends at 65,504. Layers are kept as a sixteenth of what they are, which costs no bit, as ReLU, pooling, dropout
 * and convolution (with a sixteenth of the bias) commute with it: they may be as large as 1,048,064, while steps
 * between small ones are 10⁻⁶. Larger ones become infinite, and the output with them (../program.ts says so).
 */
const ACTIVATION_SCALE: Record<GpuPrecision, number> = { fp32: 1, f16: 1 / 16 };

/**
 * Gradients of layers are kept as so many times those of one image's loss, so that small ones do not vanish: f16's
 * steps next to 0 are then 6·10⁻¹¹. Those beyond ±64 are taken for ±64 (`inRange`).
 */
const LOSS_SCALE: Record<GpuPrecision, number> = { fp32: 1, f16: 1024 };

/** How a program that keeps tensors so talks to the outside. */
export interface Storage {
  readonly bytes: number;
  readonly activationScale: number;
  readonly lossScale: number;
}

export function storageOf(precision: GpuPrecision): Storage {
  return {
    bytes: precision === 'f16' ? 2 : 4,
    activationScale: ACTIVATION_SCALE[precision],
    lossScale: LOSS_SCALE[precision],
  };
}

/** What stands before every shader. */
export function storageHead(precision: GpuPrecision): string {
  const scale = `const activationScale = f32(${ACTIVATION_SCALE[precision]});`;
  if (precision === 'fp32') {
    return /* wgsl */ `alias stored = f32;
alias stored4 = vec4f;
${scale}
fn inRange(gradient: vec4f) -> vec4f { return gradient; }
`;
  }
  return /* wgsl */ `enable f16;
alias stored = f16;
alias stored4 = vec4h;
${scale}
/** What f16 can hold of a gradient; NaN stays NaN. */
fn inRange(gradient: vec4f) -> vec4f {
  let above = select(gradient, vec4f(${F16_LARGEST}), gradient > vec4f(${F16_LARGEST}));
  return select(above, vec4f(-${F16_LARGEST}), above < vec4f(-${F16_LARGEST}));
}
`;
}
