/**
 * `stored` and `stored4`: the format in which activations, their gradients and the factors of products are stored, in
 * the GPU's memory and in a workgroup's. Every shader works with both formats. Sums are always in float32, where the
 * product of two f16 values is exact. Parameters, their gradients and velocities stay in float32.
 */
import type { Precision } from '../../backend-options.ts';

export type GpuPrecision = Exclude<Precision, 'bf16'>;

export const F16_LARGEST = 65_504;

/** How the code around the shaders converts values. */
export interface Storage {
  readonly bytes: number;
  /**
   * f16 ends at 65,504. Activations are stored as a sixteenth of their values. This loses no bit, as ReLU, pooling,
   * dropout and convolution (with a sixteenth of the bias) commute with it. So they may be as large as 1,048,064, and
   * steps between small ones are 10⁻⁶. Larger ones become infinite, and so does the output, which
   * ../inference-program.ts reports.
   */
  readonly activationScale: number;
  /**
   * Gradients of activations are stored as this multiple of those of one image's loss, so that small ones do not
   * vanish: f16's steps next to 0 are then 6·10⁻¹¹. Those beyond ±64 are clamped to ±64 (`inRange`).
   */
  readonly lossScale: number;
}

export const STORAGE: Readonly<Record<GpuPrecision, Storage>> = {
  fp32: { bytes: 4, activationScale: 1, lossScale: 1 },
  f16: { bytes: 2, activationScale: 1 / 16, lossScale: 1024 },
};

/** Writes the head of every shader. */
export function storageHead(precision: GpuPrecision): string {
  const scale = `const activationScale = f32(${STORAGE[precision].activationScale});`;
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
/** Clamps a gradient to f16's range; NaN stays NaN. */
fn inRange(gradient: vec4f) -> vec4f {
  let above = select(gradient, vec4f(${F16_LARGEST}), gradient > vec4f(${F16_LARGEST}));
  return select(above, vec4f(-${F16_LARGEST}), above < vec4f(-${F16_LARGEST}));
}
`;
}
