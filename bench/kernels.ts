/**
 * Times the native kernels on a network of Table 1, with random images and weights:
 *
 *     node dist/bench/kernels.js --config D --batch 8 --crop 224 [--width 1] [--threads 2] [--repeat 5] [--layers]
 *
 * Prints ms per image for inference and for a training step (forward, loss, backward; the update separately), and with
 * --layers for each layer alone. Each figure is the shortest of several runs.
 */
import { parseArgs } from 'node:util';
import { type Layer, parameterSpecs, shapesAlong } from '../src/core/layer.ts';
import { keyOfSeed, RandomStream } from '../src/core/random.ts';
import { elementCount, formatShape, type Shape, type Shape4 } from '../src/core/shape.ts';
import type { Backend, Parameters } from '../src/kernels/backend.ts';
import { createBackend } from '../src/kernels/registry.ts';
import type { ConfigurationName } from '../src/net/configurations.ts';
import { buildNetwork, cropShape } from '../src/net/network.ts';

const SGD = { learningRate: 1e-4, momentum: 0.9, weightDecay: 5e-4, biasDecay: 0 };

const { values: flags } = parseArgs({
  options: {
    config: { type: 'string', default: 'D' },
    batch: { type: 'string', default: '8' },
    crop: { type: 'string', default: '224' },
    width: { type: 'string', default: '1' },
    threads: { type: 'string' },
    repeat: { type: 'string', default: '5' },
    layers: { type: 'boolean', default: false },
  },
});
const batch = Number(flags.batch);
const repeat = Number(flags.repeat);

const random = new RandomStream(keyOfSeed(1));

/** Uniformly distributed over ±scale, which is faster to draw than normally distributed values. */
function randomTensor(shape: Shape, scale: number): Float32Array {
  return Float32Array.from({ length: elementCount(shape) }, () => scale * (2 * random.uniform() - 1));
}

async function randomParameters(
  backend: Backend,
  layers: readonly Layer[],
  training: boolean,
): Promise<Parameters> {
  const parameters = backend.createParameters(parameterSpecs(layers), { training });
  for (const { name, shape, role } of parameters.specs) {
    const fanIn = elementCount(shape) / shape[0]!;
    await parameters.write('values', name, randomTensor(shape, role === 'bias' ? 0.1 : Math.sqrt(6 / fanIn)));
  }
  return parameters;
}

/** Returns the milliseconds of the fastest of `repeat` runs, after a warm-up. */
async function fastest(run: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i <= repeat; i++) {
    const start = performance.now();
    await run();
    if (i > 0) best = Math.min(best, performance.now() - start);
  }
  return best;
}

function print(title: string, milliseconds: number): void {
  console.log(`${title.padEnd(44)} ${(milliseconds / batch).toFixed(3).padStart(9)} ms/image`);
}

async function timeNetwork(
  backend: Backend,
  layers: readonly Layer[],
  inputShape: Shape4,
  classes: number,
): Promise<void> {
  const parameters = await randomParameters(backend, layers, true);
  const input = randomTensor(inputShape, 1);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % classes);
  const dropoutKeys = Uint32Array.from({ length: 2 * batch }, (_, i) => i);

  const inference = await backend.compile({ layers, inputShape, parameters });
  print('inference', await fastest(() => inference.forward(input)));
  inference.dispose();

  const training = await backend.compileTraining({ layers, inputShape, parameters });
  let update = Number.POSITIVE_INFINITY;
  const step = async () => {
    await training.accumulate({ input, labels, dropoutKeys }, 1 / batch);
    const start = performance.now();
    await parameters.update(SGD);
    update = Math.min(update, performance.now() - start);
  };
  const whole = await fastest(step);
  print('training step (forward, loss, backward)', whole - update);
  print('update', update);
  console.log(`training memory ${(training.memoryBytes / 2 ** 20).toFixed(0)} MiB`);
  training.dispose();
  parameters.dispose();
}

/** Times each layer as a separate program. This includes layout conversions, of which a chain has fewer. */
async function timeLayers(backend: Backend, layers: readonly Layer[], inputShape: Shape4): Promise<void> {
  const shapes = shapesAlong(layers, inputShape);
  for (const [index, layer] of layers.entries()) {
    const parameters = await randomParameters(backend, [layer], true);
    const options = { layers: [layer], inputShape: shapes[index]!, parameters };
    const input = randomTensor(options.inputShape, 1);
    const outputGradient = randomTensor(shapes[index + 1]!, 1);
    const inference = await backend.compile(options);
    const training = await backend.compileTraining({ ...options, inputGradient: index > 0 });
    const title = `${layer.name} ${formatShape(shapes[index + 1]!)}`;
    const forward = await fastest(() => inference.forward(input));
    const both = await fastest(() => training.backward({ input }, outputGradient));
    print(`${title} forward`, forward);
    print(`${title} backward`, both - forward);
    inference.dispose();
    training.dispose();
    parameters.dispose();
  }
}

const network = buildNetwork({
  configuration: flags.config as ConfigurationName,
  crop: Number(flags.crop),
  width: Number(flags.width),
});
const backend = createBackend('native', {
  threads: flags.threads === undefined ? undefined : Number(flags.threads),
});
console.log(`${flags.config} at ${flags.crop}, width ${flags.width}, batch ${batch}: ${backend.description}`);
await timeNetwork(backend, network.layers, cropShape(network, batch), network.classes);
if (flags.layers) await timeLayers(backend, network.layers, cropShape(network, batch));
