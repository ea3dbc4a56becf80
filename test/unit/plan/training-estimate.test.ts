import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { imageFlops } from '../../../src/net/cost.ts';
import { buildNetwork, parameterCount } from '../../../src/net/network.ts';
import { defaultMicroBatch } from '../../../src/plan/activations.ts';
import {
  checkpointBytes,
  inferenceBytes,
  memoryByBatch,
  stepBytes,
  trainingBytes,
  trainingBytesPerImage,
  transformedWeightBytes,
} from '../../../src/plan/memory.ts';
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
  test('of D at 224: within 15 % of what the engine was seen to take', () => {
    const mebibytes = (bytes: number) => bytes / 2 ** 20;
    const near = (estimated: number, seen: number) =>
      assert.ok(Math.abs(estimated / seen - 1) < 0.15, `${estimated} MiB, and ${seen} MiB were seen`);
    // Programs of the native engine on AVX-512: 1 image 544 MiB, 32 images 2,300 MiB; of A 32 images 1,777 MiB.
    near(mebibytes(trainingBytesPerImage(d)), (2300 - 544) / 31);
    const a = buildNetwork({ configuration: 'A' });
    near(mebibytes(trainingBytesPerImage(a)), (1777 - 697) / 24);
    // `vgg bench` at batch 32: 4.0 GiB; `vgg train` at batch 256, in micro-batches of 32: 5.2 GiB.
    near(mebibytes(stepBytes(d, 32)), 4.0 * 1024);
    near(mebibytes(trainingBytes(d, 32)), 5.23 * 1024);
    assert.equal(checkpointBytes(d), 8 * parameterCount(d));
  });

  test('of transformed weights: four times the 3×3 weights, and none of other kernels', () => {
    const weights = d.parameters.filter(({ shape }) => shape[2] === 3);
    const count = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    assert.equal(transformedWeightBytes(d), 16 * count);
    assert.equal(transformedWeightBytes(buildNetwork({ configuration: 'B-5x5' })), 0);
  });

  test('of inference: of all activations only two neighbours live at once', () => {
    // The largest neighbours are conv1_1's and conv1_2's output, 64×224×224 each.
    assert.equal(inferenceBytes(d, 2) - inferenceBytes(d, 1), 2 * 4 * 64 * 224 * 224);
  });

  test('by batch: the micro-batch is the trainer’s own unless one is given', () => {
    const [small, large] = memoryByBatch(d, [1, 256]);
    assert.equal(small?.microBatch, 1);
    assert.equal(large?.microBatch, defaultMicroBatch(d, 256));
    const [given, smaller] = memoryByBatch(d, [256, 4], 8);
    assert.equal(given?.training, trainingBytes(d, 8));
    assert.equal(smaller?.microBatch, 4);
  });
});

describe('plan', () => {
  test('of the paper’s training: 370K iterations, 74 epochs', () => {
    const plan = estimateTraining(request);
    assert.equal(Math.round(plan.iterations / 1000), 370);
    assert.equal(plan.gradientBytes, 4 * 138_357_544);
    assert.equal(plan.time, undefined);
    assert.equal(plan.scaling[1]?.speedup, undefined);
  });

  test('a training step is three forward passes but for the image’s gradient', () => {
    const { forward, training } = imageFlops(d);
    assert.equal(forward, 2 * 15_470_264_320);
    assert.equal(training, 3 * forward - 2 * 86_704_128);
  });

  test('times follow from the speed', () => {
    const speed = { inferenceGflops: 1000, trainingGflops: 500 };
    const { time, flopsPerImage } = estimateTraining({ ...request, speed });
    assert.equal(time?.inferenceMsPerImage, flopsPerImage.forward / 1e9);
    assert.equal(time?.trainingMsPerImage, flopsPerImage.training / 5e8);
    assert.ok(Math.abs(time.secondsPerStep - (256 * time.trainingMsPerImage) / 1000) < 1e-9);
    assert.ok(Math.abs(time.secondsInAll / time.secondsPerEpoch - 74) < 1e-9);
  });

  test('several machines: bytes, time on the wire, and what is gained where all but the last bucket is hidden', () => {
    const speed = { inferenceGflops: 1000, trainingGflops: 1000 };
    const { scaling, gradientBytes, time } = estimateTraining({ ...request, speed });
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

  test('a network too slow to hide behind the backward pass, with a latency, costs the difference', () => {
    const speed = { inferenceGflops: 1000, trainingGflops: 1000 };
    const slow = { ...request, speed, machines: [64], bandwidth: 1, latency: 1e-3, microBatch: 4 };
    const { scaling, time } = estimateTraining(slow);
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

  test('is printed with and without times', () => {
    assert.match(formatPlan(estimateTraining(request)), /time +unknown; give --gflops/);
    const speed = { inferenceGflops: 1000, trainingGflops: 1000 };
    assert.match(formatPlan(estimateTraining({ ...request, speed })), /time, in all +\d+ d/);
  });
});
