import { describe, it } from 'node:test';
import { messageOf, UserError } from '../../src/core/errors.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { type BackendName, backendNames, createBackend, openBackend } from '../../src/kernels/registry.ts';
import { WebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { useSoftwareGpu } from './software-gpu.ts';

/** A backend, or why it is not here. */
export interface BackendUnderTest {
  readonly name: BackendName;
  readonly backend: Backend | undefined;
  readonly missing: string | undefined;
  /** Largest difference allowed for one layer, as a fraction of the tensor's largest value. */
  readonly layerTolerance: number;
  /** The same through a whole network of up to 19 layers, forward and back. */
  readonly networkTolerance: number;
}

/**
 * Why these: the reference rounds to float32 (half a step is 6e-8 of a value) once a layer; through a network
 * such errors add up like a random walk. Native kernels sum in float32, and a 3×3 convolution by Winograd's
 * method F(4×4, 3×3) is off by up to 4e-6 of the largest output: twice that and a little is allowed for a
 * layer, and for the way of 19 layers and back √38 times 4e-6 with as much room again.
 */
const TOLERANCES: Record<BackendName, { layerTolerance: number; networkTolerance: number }> = {
  reference: { layerTolerance: 1.5e-7, networkTolerance: 2e-6 },
  onednn: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
  // Sums in float32, one after another; exp and pow by a shader's rules, a few units in the last place.
  webgpu: { layerTolerance: 1e-5, networkTolerance: 5e-5 },
};

useSoftwareGpu();

export const backendsUnderTest: readonly BackendUnderTest[] = await Promise.all(
  backendNames.map(async (name) => ({ name, ...TOLERANCES[name], ...(await openOrExplain(name)) })),
);

/** Those that are compared with the specification. */
export const otherBackends = backendsUnderTest.filter(({ name }) => name !== 'reference');

/** For work of real networks' size, which a processor that plays a GPU would take minutes for. */
export const backendsForLargeWork: readonly BackendUnderTest[] = backendsUnderTest.map((candidate) =>
  candidate.backend instanceof WebGpuBackend && candidate.backend.gpu.isSoftware
    ? { ...candidate, backend: undefined, missing: 'takes minutes on a software GPU' }
    : candidate,
);

/** The specification. */
export const reference: Backend = createBackend('reference');

/**
 * One suite for every backend. A backend that this machine has not built is skipped with the reason, but on
 * the continuous integration's machines, which have everything, its absence is a failure.
 */
export function describeBackends(
  title: string,
  suite: (backend: Backend, tolerances: BackendUnderTest) => void,
  candidates: readonly BackendUnderTest[] = backendsUnderTest,
): void {
  for (const candidate of candidates) {
    const { name, backend, missing } = candidate;
    if (backend) describe(`${name}: ${title}`, () => suite(backend, candidate));
    // A test, as skipped suites are not counted.
    else it(`${name}: ${title}`, { skip: missing ?? 'not here' }, () => {});
  }
}

async function openOrExplain(name: BackendName): Promise<Pick<BackendUnderTest, 'backend' | 'missing'>> {
  try {
    return { backend: await openBackend(name), missing: undefined };
  } catch (error) {
    if (!(error instanceof UserError) || process.env.CI) throw error;
    return { backend: undefined, missing: messageOf(error) };
  }
}
