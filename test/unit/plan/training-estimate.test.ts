import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createBackend } from '../../../src/kernels/registry.ts';
import { imageFlops } from '../../../src/net/cost.ts';
import { buildNetwork, parameterCount } from '../../../src/net/network.ts';
import { defaultMicroBatch } from '../../../src/plan/activation-memory.ts';
import {
  checkpointBytes,
  inferenceBytes,
  memoryByBatch,
  trainingBytes,
} from '../../../src/plan/process-memory.ts';
import { estimateTraining, type TrainingEstimateRequest } from '../../../src/plan/training-estimate.ts';
import { formatPlan } from '../../../src/report/plan-tables.ts';

const d = buildNetwork({ configuration: 'D' });
const request: TrainingEstimateRequest = {
  network: d,
  batch: 256,
  images: 1_281_167,
  epochs: 74,
  machines: [1, 4],
  bandwidth: 10,
  latency: 0,
};

describe('memory', () => {
  const native = createBackend('native');
  const planner = native.planMemory!.bind(native);

  test('of D at 224: within 15 % of the largest resident sets that were measured', async () => {
    const near = (bytes: number, mebibytes: number) => {
      const estimated = bytes / 2 ** 20;
      const message = `${estimated} MiB estimated, ${mebibytes} MiB measured`;
      assert.ok(Math.abs(estimated / mebibytes - 1) < 0.15, message);
    };
    // `vgg bench --config D` on AVX-512.
    near(await inferenceBytes(d, 1, planner), 982);
    near(await inferenceBytes(d, 32, planner), 1476);
    // `vgg train --batch 256`, in micro-batches of 32 from JPEGs: 5.23 GiB, and 4.81 GiB on Zen 5.
    near(await trainingBytes(d, 32, planner), 5.23 * 1024);
    near(await trainingBytes(d, 32, planner), 4.81 * 1024);
    assert.equal(checkpointBytes(d), 8 * parameterCount(d));
  });

  test('is the program that is compiled, and a constant besides', async () => {
    const small = buildNetwork({ configuration: 'A', crop: 32, width: 1 / 8, classes: 10 });
    const parameters = native.createParameters(small.parameters, { training: false });
    const programBytes = async (batch: number) => {
      const inputShape = [batch, 3, 32, 32] as const;
      const program = await native.compile({ layers: small.layers, inputShape, parameters });
      program.dispose();
      return program.memoryBytes;
    };
    const estimated = (await inferenceBytes(small, 64, planner)) - (await inferenceBytes(small, 1, planner));
    assert.equal(estimated, (await programBytes(64)) - (await programBytes(1)));
    parameters.dispose();
  });

  test('without a planner is an upper estimate', async () => {
    for (const estimate of [trainingBytes, inferenceBytes]) {
      for (const batch of [1, 8, 32]) {
        const planned = await estimate(d, batch, planner);
        assert.ok((await estimate(d, batch)) > planned, `${estimate.name}, batch ${batch}`);
      }
    }
  });

  test('by batch: the micro-batch is the trainer’s default unless one is given', async () => {
    const [small, large] = await memoryByBatch(d, [1, 256]);
    assert.equal(small?.microBatch, 1);
    assert.equal(large?.microBatch, defaultMicroBatch(d, 256));
    const [given, smaller] = await memoryByBatch(d, [256, 4], { microBatch: 8 });
    assert.equal(given?.training, await trainingBytes(d, 8));
    assert.equal(smaller?.microBatch, 4);
  });
});

describe('plan', () => {
  const speed = { inferenceGflops: 1000, trainingGflops: 1000 };

  test('of the paper’s training: 370K iterations, 74 epochs', async () => {
    const plan = await estimateTraining(request);
    assert.equal(Math.round(plan.iterations / 1000), 370);
    assert.equal(plan.gradientBytes, 4 * 138_357_544);
    assert.equal(plan.time, undefined);
    assert.equal(plan.scaling[1]?.speedup, undefined);
  });

  test('a training step is three forward passes but for the image’s gradient', async () => {
    const { forward, training } = imageFlops(d);
    assert.equal(forward, 2 * 15_470_264_320);
    assert.equal(training, 3 * forward - 2 * 86_704_128);
  });

  test('times follow from the speed', async () => {
    const slower = { ...speed, trainingGflops: 500 };
    const { time, flopsPerImage } = await estimateTraining({ ...request, speed: slower });
    assert.equal(time?.inferenceMsPerImage, flopsPerImage.forward / 1e9);
    assert.equal(time?.trainingMsPerImage, flopsPerImage.training / 5e8);
    assert.ok(Math.abs(time.secondsPerStep - (256 * time.trainingMsPerImage) / 1000) < 1e-9);
    assert.ok(Math.abs(time.secondsInAll / time.secondsPerEpoch - 74) < 1e-9);
  });

  test('several machines: bytes, time on the wire, and the speedup if all but the last bucket is hidden', async () => {
    const { scaling, gradientBytes, time } = await estimateTraining({ ...request, speed });
    const [one, four] = scaling;
    assert.equal(one?.bytesSentPerStep, 0);
    assert.equal(one?.speedup, 1);
    assert.equal(four?.bytesSentPerStep, 1.5 * gradientBytes);
    // Of what goes over the wire, 94 % are gradients.
    assert.equal(four?.communicationSeconds, (four.bytesSentPerStep * 8) / 9.4e9);
    // At 1000 GFLOP/s the backward pass takes longer than the wire; only the last 16 MiB come after it.
    const tail = (1.5 * 16 * 2 ** 20 * 8) / 9.4e9;
    const step = time!.secondsPerStep / 4 + tail;
    assert.ok(Math.abs(four.secondsPerStep! - step) < 1e-9);
    assert.ok(four.speedup! > 3.9 && four.speedup! < 4);
  });

  test('a network too slow to hide behind the backward pass, with a latency, costs the difference', async () => {
    const slow = { ...request, speed, machines: [64], bandwidth: 1, latency: 1e-3, microBatch: 4 };
    const { scaling, time } = await estimateTraining(slow);
    const { communicationSeconds, hiddenSeconds, secondsPerStep } = scaling[0]!;
    const image = time!.trainingMsPerImage / 1000;
    assert.ok(Math.abs(hiddenSeconds! - (2 / 3) * 4 * image) < 1e-9);
    assert.ok(Math.abs(secondsPerStep! - (4 * image + communicationSeconds - hiddenSeconds!)) < 1e-9);
    // Sums hide what others wait for, but for two rounds; TCP begins with ten segments of the some
    // hundred and sixty that fill this network, and doubles them every 2 ms.
    const wire = (2 * 63 * 138_357_544 * 4 * 8) / 64 / 0.94e9;
    const starting = 2e-3 * Math.log2((2e-3 * 0.94e9) / 8 / 14_480);
    assert.ok(starting > 8e-3 && starting < 8.1e-3);
    assert.ok(Math.abs(communicationSeconds - (wire + 2e-3 + starting)) < 1e-6);
  });

  test('is printed with and without times', async () => {
    const plain = formatPlan(await estimateTraining(request));
    assert.match(plain, /time +unknown; pass --measure/);
    assert.match(plain, /upper estimate/);
    assert.match(formatPlan(await estimateTraining({ ...request, speed })), /, \d+ d \d+ h in total/);
  });
});
