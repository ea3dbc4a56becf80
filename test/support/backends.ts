import { describe, it } from 'node:test';
import { messageOf, UserError } from '../../src/core/errors.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { type BackendName, backendNames, type Precision } from '../../src/kernels/backend-options.ts';
import { createBackend, openBackend } from '../../src/kernels/registry.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { createWebGpuBackend, WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { useSoftwareGpu } from './software-gpu.ts';

/** A backend, or the reason why this machine does not have it. */
export interface BackendUnderTest {
  readonly name: BackendName;
  /** In titles of tests. */
  readonly label: string;
  readonly backend: Backend | undefined;
  readonly missing: string | undefined;
  /** Largest difference allowed for one layer, as a fraction of the tensor's largest value. */
  readonly layerTolerance: number;
  /** The same through a whole network of up to 19 layers, forward and back. */
  readonly networkTolerance: number;
  /**
   * Where rounding makes ReLUs and pools switch: the largest length of the difference of a whole network's gradient,
   * relative to the gradient's length. Else undefined, and `networkTolerance` applies to each value.
   */
  readonly gradientTolerance: number | undefined;
  /** A tensor rounded to the backend's storage format of layers. */
  readonly representable: (tensor: Float32Array) => Float32Array;
  /** Half a step of that format, as a fraction of a value, where it is less precise than float32; else 0. */
  readonly rounding: number;
}

/**
 * The reasons: the reference rounds to float32 (half a step is 6e-8 of a value) once per layer, and through a network
 * such errors add up like a random walk. Native kernels sum in float32, and a 3×3 convolution by Winograd's method
 * F(4×4, 3×3) is off by up to 4e-6 of the largest output. The tolerance is a little more than twice that for a layer, and
 * about twice √38 times 4e-6 for 19 layers forward and back.
 */
const TOLERANCES: Record<BackendName, { layerTolerance: number; networkTolerance: number }> = {
  reference: { layerTolerance: 1.5e-7, networkTolerance: 2e-6 },
  native: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
  // Sums in float32, one after another; exp and pow by a shader's rules, a few units in the last place.
  webgpu: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
};

useSoftwareGpu();

export const backendsUnderTest: readonly BackendUnderTest[] = await Promise.all(
  backendNames.map(async (name) => ({
    name,
    label: name,
    gradientTolerance: undefined,
    representable: (tensor: Float32Array) => tensor,
    rounding: 0,
    ...TOLERANCES[name],
    ...(await openOrExplain(name)),
  })),
);

/** Half a step of a significand of 11 bits: the largest relative error of rounding to f16. */
export const F16_ROUNDING = 2 ** -11;

/**
 * The GPU in f16, where the device has it. A layer rounds three times (source, weights or gradient, result): three
 * times half a step of the largest value, if all errors met. Through a network a layer's errors are those of its source
 * and its own, like a random walk: √38 such steps for 19 layers and back, with as much room again.
 *
 * Gradients: rounding moves values across 0 before a ReLU, and across each other in a pool, where the gradient then
 * takes another way. Of layer l's values, about normal and off by √l · 1.5 · 2⁻¹¹ of their deviation, 0.3 times that
 * switch. After 16 layers 1 % have, Σ √l · 2.2e-4, and what comes through is off by the root of that, a tenth of its
 * length; in networks of a few channels one value that switches is much of a layer, for which twice that is allowed.
 */
export const f16UnderTest: BackendUnderTest = {
  name: 'webgpu',
  label: 'webgpu in f16',
  gradientTolerance: 0.2,
  representable: (tensor) => tensor.map(roundToF16),
  rounding: F16_ROUNDING,
  layerTolerance: 3 * F16_ROUNDING,
  networkTolerance: 2 * Math.sqrt(38) * 3 * F16_ROUNDING,
  ...(await openOrExplain('webgpu', 'f16')),
};

/** The backends that are compared with the specification. */
export const otherBackends = backendsUnderTest.filter(({ name }) => name !== 'reference');

/** For work of real networks' size, which takes minutes on a software GPU. */
export const backendsForLargeWork: readonly BackendUnderTest[] = backendsUnderTest.map((candidate) =>
  candidate.backend instanceof WebGpuBackend && candidate.backend.gpu.isSoftware
    ? { ...candidate, backend: undefined, missing: 'takes minutes on a software GPU' }
    : candidate,
);

/** A device for these options alone. */
export async function openWebGpu(options: GpuOptions = {}): Promise<WebGpuBackend> {
  return createWebGpuBackend(await openNodeGpu(options));
}

/** The specification. */
export const reference: Backend = createBackend('reference');

/**
 * One suite for every backend. A backend that this machine does not have is skipped with the reason, but its absence is
 * a failure in continuous integration, whose machines have everything.
 */
export function describeBackends(
  title: string,
  suite: (backend: Backend, tolerances: BackendUnderTest) => void,
  candidates: readonly BackendUnderTest[] = [...backendsUnderTest, f16UnderTest],
): void {
  for (const candidate of candidates) {
    const { label, backend, missing } = candidate;
    if (backend) describe(`${label}: ${title}`, () => suite(backend, candidate));
    // A test, as skipped suites are not counted.
    else it(`${label}: ${title}`, { skip: missing ?? 'not here' }, () => {});
  }
}

/** To 11 bits of significand, and near 0 to f16's steps, 16 times as large as layers are stored (shaders/storage-format.ts). */
function roundToF16(value: number): number {
  if (value === 0 || !Number.isFinite(value)) return value;
  const step = Math.max(2 ** (Math.floor(Math.log2(Math.abs(value))) - 10), 16 * 2 ** -24);
  const steps = value / step;
  const down = Math.floor(steps);
  const rest = steps - down;
  const up = rest > 0.5 || (rest === 0.5 && down % 2 !== 0);
  return (down + (up ? 1 : 0)) * step;
}

async function openOrExplain(
  name: BackendName,
  precision: Precision = 'fp32',
): Promise<Pick<BackendUnderTest, 'backend' | 'missing'>> {
  try {
    return { backend: await openBackend(name, { precision }), missing: undefined };
  } catch (error) {
    // Software GPUs have no f16 on Debian 12.
    if (!(error instanceof UserError) || (process.env.CI && precision === 'fp32')) throw error;
    return { backend: undefined, missing: messageOf(error) };
  }
}
