import { describe } from 'node:test';
import { messageOf, UserError } from '../../src/core/errors.ts';
import type { Backend } from '../../src/kernels/backend.ts';
import { type BackendName, backendNames, createBackend } from '../../src/kernels/registry.ts';

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
 * such errors add up like a random walk. The native 3×3 kernels work in float32 by Winograd's method, whose
 * largest error is 4e-6 of the largest output, and sum gradients in float32 too; a factor of 5 is for shapes
 * less kind than those it was measured with, and one of 5 to 10 for the way through a network.
 */
const TOLERANCES: Record<BackendName, { layerTolerance: number; networkTolerance: number }> = {
  reference: { layerTolerance: 3e-7, networkTolerance: 3e-6 },
  onednn: { layerTolerance: 2e-5, networkTolerance: 2e-4 },
};

export const backendsUnderTest: readonly BackendUnderTest[] = backendNames.map((name) => ({
  name,
  ...TOLERANCES[name],
  ...createOrExplain(name),
}));

/** The specification that others are compared with. */
export const reference: Backend = createBackend('reference');

/**
 * One suite for every backend. A backend that this machine has not built is skipped with the reason, but on
 * the continuous integration's machines, which have everything, its absence is a failure.
 */
export function describeBackends(
  title: string,
  suite: (backend: Backend, tolerances: BackendUnderTest) => void,
): void {
  for (const candidate of backendsUnderTest) {
    const { name, backend, missing } = candidate;
    if (backend) describe(`${name}: ${title}`, () => suite(backend, candidate));
    else describe(`${name}: ${title}`, { skip: missing ?? 'not here' }, () => {});
  }
}

function createOrExplain(name: BackendName): Pick<BackendUnderTest, 'backend' | 'missing'> {
  try {
    return { backend: createBackend(name), missing: undefined };
  } catch (error) {
    if (!(error instanceof UserError) || process.env.CI) throw error;
    return { backend: undefined, missing: messageOf(error) };
  }
}
