/**
 * Compares the prediction of a step on several GPUs (src/plan/gpu-scaling.ts) with steps on devices whose transfers are
 * slowed down to known bandwidths, so that a software device will do. `node dist/bench/webgpu/limited-exchange.js
 * [MB/s …]`, the limit of each GPU's bus in either direction.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fillWithNoise, prepareTraining } from '../../src/api/benchmark-programs.ts';
import { single } from '../../src/comm/communicator.ts';
import { GpuGroup } from '../../src/kernels/webgpu/gpu-group.ts';
import { openNodeGpu } from '../../src/kernels/webgpu/node-gpu.ts';
import { createWebGpuBackend } from '../../src/kernels/webgpu/webgpu-backend.ts';
import { buildNetwork, parameterCount } from '../../src/net/network.ts';
import { estimateGpuScaling } from '../../src/plan/gpu-scaling.ts';

const BATCH = 8;
const limits = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [4, 8, 16];
const network = buildNetwork({ configuration: 'A', crop: 32, width: 0.15, classes: 10 });
const [first, second] = await Promise.all([0, 1].map(async () => createWebGpuBackend(await openNodeGpu({}))));

/** A bus: transfers, which can start at `from`, wait for their turn and take as long as their bytes at the limit. */
function bus(bytesPerSecond: number): (bytes: number, from: number) => Promise<void> {
  let freeAt = 0;
  return async (bytes, from) => {
    freeAt = Math.max(freeAt, from) + (1000 * bytes) / bytesPerSecond;
    await sleep(Math.max(0, freeAt - performance.now()));
  };
}

console.log(`${4 * parameterCount(network)} bytes of gradients, batch ${BATCH}, two devices`);
console.log('| limit, MB/s | exchange predicted, ms | measured | of it not hidden, predicted | measured |');
console.log('|---:|---:|---:|---:|---:|');
for (const limit of limits) {
  const group = new GpuGroup([first!, second!]);
  const parameters = group.createParameters(network.parameters, { training: true });
  await fillWithNoise(parameters);
  const { gradientTransfer } = parameters;
  const [read, write] = [bus(1e6 * limit), bus(1e6 * limit)];
  const fetch = gradientTransfer.fetch.bind(gradientTransfer);
  const store = gradientTransfer.store.bind(gradientTransfer);
  gradientTransfer.fetch = async (begin, end, bf16) => {
    const ready = await fetch(begin, end, bf16);
    await read(4 * (end - begin), ready);
    return ready;
  };
  gradientTransfer.store = async (begin, end, bf16) => {
    await write(4 * (end - begin), performance.now());
    await store(begin, end, bf16);
  };
  const { program, run } = await prepareTraining(group, parameters, network, BATCH, single);
  await run();
  const times = [];
  for (let i = 0; i < 5; i++) times.push(await run());
  times.sort((a, b) => a.exchange!.total - b.exchange!.total);
  const usual = times[2]!;
  // What a step takes without the part of the exchange that is not hidden, and the update.
  const computing = usual.total - usual.update - 1000 * usual.exchange!.exposed;
  const transfer = { read: 1e6 * limit, write: 1e6 * limit, add: 1e9 };
  const trainingMsPerImage = computing / (BATCH / 2);
  const estimate = estimateGpuScaling({ network, batch: BATCH, trainingMsPerImage, transfer }, 2);
  const exposed = estimate.exchangeSeconds - estimate.hiddenSeconds;
  const cells = [
    ...[1000 * estimate.exchangeSeconds, 1000 * usual.exchange!.total],
    ...[1000 * exposed, 1000 * usual.exchange!.exposed],
  ];
  console.log(`| ${[limit, ...cells.map((value) => value.toFixed(0))].join(' | ')} |`);
  program.dispose();
  parameters.dispose();
}
process.exit();
