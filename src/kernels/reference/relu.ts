/**
 * The rectifier after every hidden layer (section 2.1): y = max(x, 0). At the kink, x = 0, the gradient is 0.
 * Shapes stay as they are. NaN stays NaN, so that a run that diverges shows it.
 */

/** @returns y */
export function reluForward(input: Float32Array): Float32Array {
  return input.map((x) => Math.max(x, 0));
}

/** ∂L/∂x = ∂L/∂y where x > 0, else 0 */
export function reluBackward(input: Float32Array, outputGradient: Float32Array): Float32Array {
  return outputGradient.map((gradient, i) => (input[i]! > 0 ? gradient : 0));
}
