/** Reductions over a workgroup: with subgroups of any size, with the device's own, and without. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Backend } from '../../src/kernels/backend.ts';
import { readBack } from '../../src/kernels/webgpu/buffers.ts';
import { encodePass, prepare } from '../../src/kernels/webgpu/dispatch.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { reduction } from '../../src/kernels/webgpu/shaders/reduction.ts';
import { openWebGpu, reference, webgpuUnderTest } from '../support/backends.ts';
import {
  assertAllClose,
  chainCase,
  convolution,
  inTraining,
  readAll,
  runBackward,
} from '../support/chains.ts';
import { assertClose, randomTensor } from '../support/tensors.ts';

const { skip, layerTolerance } = webgpuUnderTest;

/** Imitates the subgroup operations of a device with subgroups of `lanes` threads. */
function played(lanes: number, numberOf: string): string {
  const operation = (name: string, type: string, both: string) => /* wgsl */ `
fn ${name}(value: ${type}) -> ${type} {
  ${name}Values[me] = value;
  workgroupBarrier();
  var all = value;
  for (var other = 0u; other < 64u; other++) {
    if (numberOf(other) / ${lanes}u == numberOf(me) / ${lanes}u) {
      let next = ${name}Values[other];
      if (other != me) { all = ${both}; }
    }
  }
  workgroupBarrier();
  return all;
}
var<workgroup> ${name}Values: array<${type}, 64>;`;
  return `
var<private> me: u32;
fn numberOf(thread: u32) -> u32 { return ${numberOf}; }
${operation('subgroupAdd', 'f32', 'all + next')}
${operation('subgroupMax', 'f32', 'max(all, next)')}
${operation('subgroupMin', 'u32', 'min(all, next)')}
`;
}

describe('webgpu: reductions by subgroups', { skip }, () => {
  for (const [how, numberOf] of [
    ['numbered along them', 'thread'],
    ['spread over them', '(thread * 5u + 7u) % 64u'],
  ] as const) {
    for (const lanes of [4, 8, 16, 32, 64, 128]) {
      it(`of ${lanes} threads, ${how}: every thread gets sum and maximum`, async () => {
        const gpu = await openNodeGpu({ subgroups: false });
        const { functions } = reduction(true, 'f32');
        const code = /* wgsl */ `
@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> results: array<f32>;
${played(lanes, numberOf)}
${functions}
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
  me = local;
  let most = largest(values[local], local, ${lanes}u);
  results[2u * local] = total(values[local], local, ${lanes}u);
  results[2u * local + 1u] = most;
}`;
        // Negative whole numbers: sums are exact in any order, and a 0 from another thread would be a wrong maximum.
        const values = Float32Array.from({ length: 64 }, (_, i) => -1 - ((i * 37) % 64));
        const [source, results] = [gpu.storage('values', 64), gpu.storage('results', 128)];
        gpu.device.queue.writeBuffer(source, 0, values);
        const prepared = await prepare(gpu, [{ code, bindings: [source, results], groups: () => [1] }]);
        gpu.submit((encoder) => encodePass(encoder, prepared, 1));
        const found = Array.from(new Float32Array(await readBack(gpu, results, 512)));
        assert.deepEqual(found, Array.from({ length: 64 }, () => [-2080, -1]).flat());
      });
    }
  }

  for (const subgroups of [true, false]) {
    describe(subgroups ? "the device's own" : 'without them', async () => {
      const { device } = await openNodeGpu({});
      const missing = subgroups && !device.features.has('subgroups');
      const skip = missing ? 'this GPU has no subgroups' : false;
      const options = { subgroups: subgroups && !missing };
      const backend = await openWebGpu(options);

      for (const classes of [2, 63, 65, 1000]) {
        it(`the loss's gradient, ${classes} classes`, { skip }, async () => {
          const scores = convolution(3, classes, { kernel: 1, name: 'scores' });
          const testCase = chainCase([scores], [3, 3, 1, 1], 81);
          const batch = { input: randomTensor(82, [3, 3]), labels: Int32Array.of(0, 1, classes - 1) };
          const gradientsOf = (one: Backend) =>
            inTraining(one, testCase, async (program, parameters) => {
              await program.accumulate(batch, 1);
              return readAll(parameters, 'gradients');
            });
          assertAllClose(await gradientsOf(backend), await gradientsOf(reference), layerTolerance);
        });
      }

      for (const side of [1, 7, 90]) {
        it(`a bias's gradient, ${side ** 2} pixels`, { skip }, async () => {
          const testCase = chainCase([convolution(1, 6, { kernel: 1 })], [1, 1, side, side], 83);
          const input = randomTensor(84, [1, side, side]);
          const gradient = randomTensor(85, [6, side, side]);
          const expected = await runBackward(reference, testCase, input, gradient);
          const run = await runBackward(backend, testCase, input, gradient);
          const name = 'conv.bias';
          assertClose(name, run.gradients.get(name), expected.gradients.get(name)!, layerTolerance);
        });
      }
    });
  }
});
