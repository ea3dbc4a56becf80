/**
 * Times this project against what else a CPU can run the same network with, in one run: each round times everybody
 * once, one after the other, so that whatever disturbs the machine disturbs all. Prints the median of the rounds'
 * ratios.
 *
 *     cd bench/peers && ONNXRUNTIME_NODE_INSTALL=skip npm install && cd ../..
 *     node bench/peers/compare.mjs [--config D] [--batch 8] [--crop 224] [--width 1] [--threads 2] [--rounds 9]
 *         [--mode infer|train] [--peer-batch 8] [--pause 100] [--python python3] [--other ANOTHER/dist]
 *
 * Ours: for inference also in bfloat16 where the processor can, and another build of this project, such as an earlier
 * version's. Peers: onnxruntime-node, which cannot train: a training step is compared with its inference, of --peer-batch images at once;
 * PyTorch, where that Python has it. VERYDEEP_ISA=avx2 before the command restricts ours, and
 * leaves onnxruntime what it has. Threads that wait for work by spinning come to rest in a pause before each turn.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: flags } = parseArgs({
  options: {
    config: { type: 'string', default: 'D' },
    batch: { type: 'string', default: '8' },
    crop: { type: 'string', default: '224' },
    width: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '9' },
    mode: { type: 'string', default: 'infer' },
    'peer-batch': { type: 'string' },
    pause: { type: 'string', default: '100' },
    python: { type: 'string', default: 'python3' },
    other: { type: 'string' },
  },
});
const [batch, crop, threads, rounds, pause] = [
  flags.batch,
  flags.crop,
  flags.threads,
  flags.rounds,
  flags.pause,
].map(Number);
const peerBatch = Number(flags['peer-batch'] ?? batch);
const fromDist = (path, dist = 'dist') => import(pathToFileURL(resolve(dist, 'src', path)).href);

const folder = mkdtempSync(join(tmpdir(), 'verydeep-peers-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true });
}

async function main() {
  const { buildNetwork } = await fromDist('net/network.js');
  const network = buildNetwork({ configuration: flags.config, crop, width: Number(flags.width) });
  const noise = (images) =>
    Float32Array.from({ length: images * 3 * crop * crop }, () => 100 * Math.random() - 50);
  const input = noise(batch);
  // Each gives a function that does it once and resolves to milliseconds.
  const contenders = [
    await ours({}, network, input),
    flags.mode === 'infer' ? await inBf16(network, input) : undefined,
    flags.other ? await ours({ dist: flags.other }, network, input) : undefined,
    await onnxruntime(noise(peerBatch)),
    await pytorch(network),
  ].filter((contender) => contender !== undefined);
  const times = contenders.map(() => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { run, images = batch }] of contenders.entries()) {
      await setTimeout(pause);
      const ms = await run();
      // The first round warms up.
      if (round >= 0) times[i].push(ms / images);
    }
  }
  report(contenders, times);
  for (const { close } of contenders) await close?.();
}

function report(contenders, times) {
  console.log(
    `${flags.config} at ${crop}, width ${flags.width}, batch ${batch}, ${threads} threads, ${rounds} rounds; ms an image`,
  );
  for (const [i, { name }] of contenders.entries()) {
    const ratios = times[0].map((own, round) => own / times[i][round]);
    const least = Math.min(...times[i]).toFixed(2);
    const figures = `median ${median(times[i]).toFixed(2).padStart(9)}  least ${least.padStart(9)}`;
    console.log(`${name.padEnd(44)} ${figures}  ours / this: ${median(ratios).toFixed(3)}`);
  }
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function inBf16(network, input) {
  try {
    return await ours({ precision: 'bf16' }, network, input);
  } catch (error) {
    console.error(`bfloat16 is left out: ${error.message}`);
    return undefined;
  }
}

async function ours({ precision = 'fp32', dist }, network, input) {
  const { createBackend } = await fromDist('kernels/registry.js', dist);
  const { elementCount } = await fromDist('core/shape.js');
  const backend = createBackend('native', { threads, precision });
  const training = flags.mode === 'train';
  const parameters = backend.createParameters(network.parameters, { training });
  for (const { name, shape, role } of parameters.specs) {
    const count = elementCount(shape);
    const deviation = role === 'bias' ? 0 : Math.sqrt((6 * shape[0]) / count);
    const table = Float32Array.from({ length: 99_991 }, () => deviation * (2 * Math.random() - 1));
    await parameters.write(
      'values',
      name,
      Float32Array.from({ length: count }, (_, i) => table[i % table.length]),
    );
  }
  const options = { layers: network.layers, inputShape: [batch, 3, crop, crop], parameters };
  const name = `verydeep${dist ? `, ${dist}` : ''}, ${precision}, ${flags.mode}`;
  if (!training) {
    const program = await backend.compile(options);
    return { name, run: () => timed(() => program.forward(input)) };
  }
  const program = await backend.compileTraining(options);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % network.classes);
  const dropoutKeys = Uint32Array.from({ length: 2 * batch }, (_, i) => i);
  const step = async () => {
    await program.accumulate({ input, labels, dropoutKeys }, 1 / batch);
    await parameters.update({ learningRate: 1e-6, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 });
  };
  return { name, run: () => timed(step) };
}

async function timed(run) {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

async function onnxruntime(input) {
  let runtime;
  try {
    runtime = (await import('onnxruntime-node')).default;
  } catch (error) {
    console.error(`onnxruntime-node is left out: ${error.message}`);
    return undefined;
  }
  const model = join(folder, 'model.onnx');
  vgg(
    'init',
    '--config',
    flags.config,
    '--crop',
    String(crop),
    '--width',
    flags.width,
    '--out',
    `${model}.safetensors`,
  );
  vgg('convert', `${model}.safetensors`, model);
  const session = await runtime.InferenceSession.create(model, { intraOpNumThreads: threads });
  const tensor = new runtime.Tensor('float32', input, [peerBatch, 3, crop, crop]);
  const run = () => timed(() => session.run({ [session.inputNames[0]]: tensor }));
  const name = `onnxruntime-node 1.30, infer, batch ${peerBatch}`;
  return { name, run, images: peerBatch, close: () => session.release() };
}

function vgg(...args) {
  const main = resolve(flags.dist, 'src/cli/vgg.cjs');
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`vgg ${args.join(' ')}: ${stderr}`);
}

async function pytorch(network) {
  const script = join(import.meta.dirname, 'torch_peer.py');
  const channels = network.layers.flatMap((layer) => {
    if (layer.kind === 'maxPool') return ['M'];
    return layer.kind === 'convolution' && layer.name.startsWith('conv')
      ? [`${layer.outChannels}x${layer.kernel}`]
      : [];
  });
  const hidden = network.layers.find(({ name }) => name === 'fc6').outChannels;
  const args = [channels.join(','), crop, network.classes, batch, threads, hidden].map(String);
  const child = spawn(flags.python, [script, ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  child.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done) {
    console.error(`PyTorch is left out: ${flags.python} does not have it`);
    return undefined;
  }
  const run = async () => {
    child.stdin.write(`${flags.mode}\n`);
    return Number((await lines.next()).value);
  };
  return { name: `${first.value}, channels last, ${flags.mode}`, run, close: () => child.stdin.end() };
}
