import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Layer } from '../../../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../../../src/core/shape.ts';
import { ProgramCache, programBytesFor } from '../../../../src/evaluate/inference/program-cache.ts';
import type { Backend, Program } from '../../../../src/kernels/backend.ts';
import { buildNetwork } from '../../../../src/net/network.ts';
import { largestLayerBytes } from '../../../../src/plan/activation-memory.ts';

const LAYERS: Layer[] = [{ kind: 'relu', name: 'relu' }];

/** A backend whose programs copy their input, take the memory of input and output, and record when they are disposed. */
function noting() {
  const compiled: string[] = [];
  const disposed: string[] = [];
  let failing = false;
  const compile = async ({ inputShape }: { inputShape: Shape4 }): Promise<Program> => {
    await sleep(1);
    if (failing) throw new Error('no memory');
    const name = formatShape(inputShape);
    compiled.push(name);
    let alive = true;
    return {
      inputShape,
      outputShape: inputShape,
      memoryBytes: largestLayerBytes(LAYERS, inputShape),
      forward: async (input) => {
        assert.ok(alive, `${name} runs after its end`);
        await sleep(2);
        assert.ok(alive, `${name} is freed while it runs`);
        return input;
      },
      dispose: () => {
        alive = false;
        disposed.push(name);
      },
    };
  };
  const cache = new ProgramCache({
    // The cache uses nothing else of a backend.
    backend: { compile } as unknown as Backend,
    layers: LAYERS,
    parameters: {} as never,
    memoryBytes: largestLayerBytes(LAYERS, [1, 1, 1, 100]),
  });
  const run = (side: number) => cache.run([1, 1, 1, side], new Float32Array(side));
  const fail = (now: boolean) => {
    failing = now;
  };
  return { cache, compiled, disposed, run, fail };
}

describe('compiled programs', () => {
  it('are compiled once for each shape, also for concurrent runs', async () => {
    const { run, compiled } = noting();
    await Promise.all([run(5), run(5), run(6)]);
    await run(5);
    assert.deepEqual(compiled, ['1×1×1×5', '1×1×1×6']);
  });

  it('stay within the memory limit; the least recently used are evicted', async () => {
    const { cache, run, disposed } = noting();
    for (const side of [40, 50, 40, 30]) await run(side);
    assert.deepEqual(disposed, ['1×1×1×50']);
    assert.deepEqual(cache.shapes, ['1×1×1×40', '1×1×1×30']);
    assert.equal(cache.memoryBytes, largestLayerBytes(LAYERS, [1, 1, 1, 70]));
  });

  it('larger than the memory limit run alone', async () => {
    const { cache, run, disposed } = noting();
    await run(40);
    await run(500);
    assert.deepEqual(disposed.slice(0, 1), ['1×1×1×40']);
    await run(30);
    assert.deepEqual(cache.shapes, ['1×1×1×30']);
  });

  it('are not freed while they run', async () => {
    const { cache, run, disposed } = noting();
    await Promise.all([run(60), run(61), run(62), run(60)]);
    assert.ok(disposed.length > 0);
    const last = run(10);
    cache.dispose();
    await last;
    assert.deepEqual(cache.shapes, []);
    await assert.rejects(async () => run(10), /disposed/);
  });

  it('that could not be compiled are compiled again', async () => {
    const { run, fail } = noting();
    fail(true);
    await assert.rejects(run(5), /no memory/);
    fail(false);
    assert.equal((await run(5)).length, 5);
  });
});

describe('the bytes of cached programs', () => {
  it('grow with the weights, within bounds', () => {
    const mebibytes = (width: number) =>
      programBytesFor(buildNetwork({ configuration: 'D', width })) / 2 ** 20;
    assert.deepEqual([mebibytes(0.1), mebibytes(1)], [256, 2048]);
    assert.ok(mebibytes(0.5) > 256 && mebibytes(0.5) < 2048);
  });
});
