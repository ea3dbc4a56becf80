/** What runs one network by WebAssembly, for wasm.mjs: in Node and in a page. Each gives a function that runs it once. */

/** Uniform numbers of a small table: quick to make, and none is denormal. */
function numbers(count, deviation) {
  const table = Float32Array.from({ length: 9973 }, () => deviation * (2 * Math.random() - 1));
  return Float32Array.from({ length: count }, (_, i) => table[i % table.length]);
}

const countOf = (shape) => shape.reduce((product, side) => product * side, 1);
const weightsOf = (shape) => numbers(countOf(shape), Math.sqrt((6 * shape[0]) / countOf(shape)));

export async function verydeep(backend, network, crop) {
  const parameters = backend.createParameters(network.parameters, { training: false });
  for (const { name, shape, role } of network.parameters) {
    await parameters.write(
      'values',
      name,
      role === 'bias' ? new Float32Array(countOf(shape)) : weightsOf(shape),
    );
  }
  const program = await backend.compile({
    layers: network.layers,
    inputShape: [1, 3, crop, crop],
    parameters,
  });
  const input = numbers(3 * crop * crop, 50);
  return { name: `verydeep, ${backend.description}`, run: () => program.forward(input) };
}

/** @param model ONNX */
export async function onnxruntimeWeb(ort, model, crop, threads) {
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  const tensor = new ort.Tensor('float32', numbers(3 * crop * crop, 50), [1, 3, crop, crop]);
  const run = () => session.run({ [session.inputNames[0]]: tensor });
  return {
    name: `onnxruntime-web ${ort.env.versions.web}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    run,
  };
}

/** @param tf tfjs-core, with the backend wasm */
export async function tensorflowJs(tf, network, crop) {
  await tf.setBackend('wasm');
  const layers = network.layers.flatMap((layer, i) => {
    if (layer.kind === 'maxPool') return [(x) => tf.maxPool(x, 2, 2, 'valid')];
    if (layer.kind !== 'convolution') return [];
    const { kernel, inChannels, outChannels, padding } = layer;
    const activation = network.layers[i + 1]?.kind === 'relu' ? 'relu' : 'linear';
    const bias = tf.zeros([outChannels]);
    const count = kernel * kernel * inChannels;
    const weights = numbers(count * outChannels, Math.sqrt(6 / count));
    if (padding === 0) {
      const b = tf.tensor2d(weights, [count, outChannels]);
      return [(x) => tf.fused.matMul({ a: tf.reshape(x, [1, count]), b, bias, activation })];
    }
    const filter = tf.tensor4d(weights, [kernel, kernel, inChannels, outChannels]);
    return [(x) => tf.fused.conv2d({ x, filter, strides: 1, pad: 'same', bias, activation })];
  });
  const input = tf.tensor4d(numbers(3 * crop * crop, 50), [1, crop, crop, 3]);
  const run = async () => {
    const output = tf.tidy(() => layers.reduce((x, layer) => layer(x), input));
    await output.data();
    output.dispose();
  };
  return { name: `tfjs-backend-wasm ${tf.version_core}`, run };
}

/** Each round times everybody once, one after the other; the first one warms up. @returns milliseconds of each */
export async function timed(contenders, rounds, pause) {
  const times = contenders.map(() => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, { run }] of contenders.entries()) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      const start = performance.now();
      await run();
      if (round >= 0) times[i].push(performance.now() - start);
    }
  }
  return contenders.map(({ name }, i) => ({ name, times: times[i] }));
}
