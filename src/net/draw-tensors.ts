import { reportProgress } from '../core/progress-channel.ts';
import { elementCount } from '../core/shape.ts';
import { drawTensor, type Initialization } from './initialization.ts';
import type { Network } from './network.ts';

interface DrawOptions {
  /** Names of the parameters (default: all). */
  readonly names?: readonly string[];
  /** Aborted when nobody needs them any more. */
  readonly signal?: AbortSignal;
}

/** The same values as `initialize` gives. Meanwhile it reports its progress, and the program can answer signals. */
export async function drawTensors(
  network: Network,
  initialization: Initialization,
  { names, signal }: DrawOptions = {},
): Promise<Map<string, Float32Array>> {
  const drawn = network.parameters.filter(({ name }) => names?.includes(name) ?? true);
  const total = drawn.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const report = (done: number) => reportProgress({ label: 'drawing the first weights', done, total });
  const tensors = new Map<string, Float32Array>();
  let done = 0;
  try {
    for (const { name } of drawn) {
      const parts = drawTensor(network, name, initialization);
      let part = parts.next();
      for (; !part.done; part = parts.next()) {
        done += part.value;
        report(done);
        await new Promise(setImmediate);
        signal?.throwIfAborted();
      }
      tensors.set(name, part.value);
    }
    return tensors;
  } finally {
    report(total);
  }
}
