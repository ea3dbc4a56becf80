import { describe, it } from 'node:test';
import { messageOf, UserError } from '../../src/core/errors.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { type BackendName, backendNames, type Precision } from '../../src/kernels/backend-options.ts';
import { createBackend, openBackend } from '../../src/kernels/registry.ts';
import type { GpuOptions } from '../../src/kernels/webgpu/gpu.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { createWebGpuBackend, WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { openWasmInChromium } from './chromium-wasm.ts';
import { useSoftwareGpu } from './software-gpu.ts';

/** A backend, or the reason why this machine cannot run it. */
export interface BackendUnderTest {
  readonly name: BackendName;
  /** Used in the titles of tests. */
  readonly label: string;
  readonly backend: Backend | undefined;
  /** Why tests of this backend are skipped, or false. */
  readonly skip: string | false;
  /** Largest difference allowed for one layer, as a fraction of the tensor's largest value. */
  readonly layerTolerance: number;
  /** The same for a whole network of up to 19 layers, forward and backward. */
  readonly networkTolerance: number;
  /**
   * If rounding can switch ReLUs and maxima: the largest error allowed for a whole network's gradient, as √Σ x²
   * relative to the gradient's. Otherwise undefined, and `networkTolerance` applies to each value.
   */
  readonly gradientTolerance: number | undefined;
  /** Rounds a tensor to the backend's storage format of activations. */
  readonly representable: (tensor: Float32Array) => Float32Array;
  /** Largest relative error of rounding to that format if it is less precise than float32, else 0. */
  readonly rounding: number;
}

/**
 * The reference rounds to float32 (an error of up to 6e-8 of a value) once per layer, and through a network such errors
 * add up like a random walk. Native kernels sum in float32, and a 3×3 convolution by Winograd's method F(4×4, 3×3) has
 * errors of up to 4e-6 of the largest output. The tolerance is a little more than twice that for a layer, and about
 * twice √38 times 4e-6 for 19 layers forward and backward.
 */
const TOLERANCES: Record<BackendName, { layerTolerance: number; networkTolerance: number }> = {
  reference: { layerTolerance: 1.5e-7, networkTolerance: 2e-6 },
  native: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
  // The same kernels as native's.
  wasm: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
  // Sequential sums in float32. WGSL allows exp and pow errors of a few units in the last place.
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

/** The largest relative error of rounding to f16, whose significand has 11 bits. */
export const F16_ROUNDING = 2 ** -11;

/**
 * The GPU in f16, if the device supports it. A layer rounds three times (source, weights or gradient, result), so its
 * error is at most three roundings of the largest value. Through a network the errors of the layers add up like a
 * random walk: √38 such steps for 19 layers forward and backward, times two as a margin.
 *
 * Gradients: rounding moves values across 0 before a ReLU and past each other in a pool, and the gradient then takes
 * another path. The values of layer l are about normal, with errors of √l · 1.5 · 2⁻¹¹ of their deviation, and 0.3
 * times that fraction of them switches. After 16 layers 1 % have switched (Σ √l · 2.2e-4), and the gradient's error is
 * the root of that, a tenth of its length. In networks with few channels a single value is a large part of a layer, so
 * twice that is allowed.
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

function underTest(name: BackendName): BackendUnderTest {
  return backendsUnderTest.find((candidate) => candidate.name === name)!;
}

export const nativeUnderTest: BackendUnderTest = underTest('native');
export const webgpuUnderTest: BackendUnderTest = underTest('webgpu');

/** All backends but the specification. */
export const otherBackends = backendsUnderTest.filter(({ name }) => name !== 'reference');

/** For networks of realistic size, which take minutes on a software GPU. */
export const backendsForLargeWork: readonly BackendUnderTest[] = backendsUnderTest.map((candidate) =>
  candidate.backend instanceof WebGpuBackend && candidate.backend.gpu.isSoftware
    ? { ...candidate, backend: undefined, skip: 'takes minutes on a software GPU' }
    : candidate,
);

/** Opens a separate device with these options. */
export async function openWebGpu(options: GpuOptions = {}): Promise<WebGpuBackend> {
  return createWebGpuBackend(await openNodeGpu(options));
}

/** The specification. */
export const reference: Backend = createBackend('reference');

/**
 * Runs one suite on every backend. A backend that this machine cannot run is skipped with the reason. In continuous
 * integration this is a failure, as those machines can run all of them.
 */
export function describeBackends(
  title: string,
  suite: (backend: Backend, tolerances: BackendUnderTest) => void,
  candidates: readonly BackendUnderTest[] = [...backendsUnderTest, f16UnderTest],
): void {
  for (const candidate of candidates) {
    const { label, backend, skip } = candidate;
    if (backend) describe(`${label}: ${title}`, () => suite(backend, candidate));
    // A skipped test instead of a skipped suite, which would not be counted.
    else it(`${label}: ${title}`, { skip }, () => {});
  }
}

/** Rounds to f16, whose smallest step is 16 times as large here, as activations are stored as a sixteenth. */
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
): Promise<Pick<BackendUnderTest, 'backend' | 'skip'>> {
  try {
    const inChromium = name === 'wasm' && process.env.VERYDEEP_TEST_WASM === 'chromium';
    const backend = inChromium ? await openWasmInChromium() : await openBackend(name, { precision });
    return { backend, skip: false };
  } catch (error) {
    // On Debian 12, the software GPU does not support f16.
    if (!(error instanceof UserError) || (process.env.CI && precision === 'fp32')) throw error;
    return { backend: undefined, skip: messageOf(error) };
  }
}
