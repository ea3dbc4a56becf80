/**
 * The error of the 3×3 kernels on every layer of a network, against double precision: the largest error divided by the
 * largest value, for He-scaled weights and normal data, on some whole channels of each tensor.
 *
 *     node dist/bench/accuracy.js [--config E] [--crop 224] [--channels 4]
 */
import { parseArgs } from 'node:util';
import { type ConvolutionLayer, parameterSpecs, shapesAlong } from '../src/core/layer.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../src/core/random.ts';
import { elementCount, formatShape, type Shape, type Shape4 } from '../src/core/shape.ts';
import { createNativeBackend } from '../src/kernels/native/open-native.ts';
import type { ConfigurationName } from '../src/net/configurations.ts';
import { buildNetwork, cropShape } from '../src/net/network.ts';

const { values: flags } = parseArgs({
  options: {
    config: { type: 'string', default: 'E' },
    crop: { type: 'string', default: '224' },
    channels: { type: 'string', default: '4' },
  },
});
const sampled = Number(flags.channels);

function normals(seed: string, shape: Shape, deviation: number): Float32Array {
  const random = new RandomStream(deriveKeys(keyOfSeed(1), 'accuracy', seed));
  return Float32Array.from({ length: elementCount(shape) }, () => deviation * random.normal());
}

class LargestError {
  #difference = 0;
  #largest = 0;
  see(actual: number, expected: number): void {
    this.#difference = Math.max(this.#difference, Math.abs(actual - expected));
    this.#largest = Math.max(this.#largest, Math.abs(expected));
  }
  toString(): string {
    return (this.#difference / this.#largest).toExponential(1);
  }
}

/** target += weight · plane moved by (dy, dx), zeros beyond its edges. */
function addShifted(
  target: Float64Array,
  plane: Float32Array,
  weight: number,
  [dy, dx]: readonly [number, number],
  [height, width]: readonly [number, number],
): void {
  for (let y = Math.max(0, -dy); y < Math.min(height, height - dy); y++) {
    for (let x = Math.max(0, -dx); x < Math.min(width, width - dx); x++) {
      target[y * width + x]! += weight * plane[(y + dy) * width + x + dx]!;
    }
  }
}

async function check(layer: ConvolutionLayer, shape: Shape4): Promise<void> {
  const { inChannels, outChannels } = layer;
  const [, , height, width] = shape;
  const size = [height, width] as const;
  const pixels = height * width;
  const x = normals('x', shape, 1);
  const dy = normals('dy', [1, outChannels, height, width], 1);
  const w = normals('w', [outChannels, inChannels, 3, 3], Math.sqrt(2 / (9 * inChannels)));
  const parameters = backend.createParameters(parameterSpecs([layer]), { training: true });
  await parameters.write('values', `${layer.name}.weight`, w);
  const options = { layers: [layer], inputShape: shape, parameters, inputGradient: true };
  const program = await backend.compileTraining(options);
  const run = await program.backward({ input: x }, dy);
  const dw = await parameters.read('gradients', `${layer.name}.weight`);
  program.dispose();
  parameters.dispose();

  const plane = (map: Float32Array, channel: number) =>
    map.subarray(channel * pixels, (channel + 1) * pixels);
  const shift = (k: number) => [Math.floor(k / 3) - 1, (k % 3) - 1] as const;
  const [output, input, weight] = [new LargestError(), new LargestError(), new LargestError()];
  for (let i = 0; i < sampled; i++) {
    const o = Math.floor(((i + 0.5) * outChannels) / sampled);
    const c = Math.floor(((i + 0.5) * inChannels) / sampled);
    const y = new Float64Array(pixels);
    for (let j = 0; j < inChannels; j++) {
      for (let k = 0; k < 9; k++)
        addShifted(y, plane(x, j), w[(o * inChannels + j) * 9 + k]!, shift(k), size);
    }
    for (const [at, value] of y.entries()) output.see(run.output[o * pixels + at]!, value);
    const gradient = new Float64Array(pixels);
    for (let j = 0; j < outChannels; j++) {
      for (let k = 0; k < 9; k++) {
        addShifted(gradient, plane(dy, j), w[(j * inChannels + c) * 9 + 8 - k]!, shift(k), size);
      }
    }
    for (const [at, value] of gradient.entries()) input.see(run.inputGradient![c * pixels + at]!, value);
    for (let j = 0; j < inChannels; j += 7) {
      for (let k = 0; k < 9; k++) {
        const moved = new Float64Array(pixels);
        addShifted(moved, plane(x, j), 1, shift(k), size);
        const sum = moved.reduce((total, value, at) => total + value * dy[o * pixels + at]!, 0);
        weight.see(dw[(o * inChannels + j) * 9 + k]!, sum);
      }
    }
  }
  console.log(
    `${formatShape(shape)} to ${outChannels}`.padEnd(26),
    `output ${output}  input gradient ${input}  weight gradient ${weight}`,
  );
}

const network = buildNetwork({ configuration: flags.config as ConfigurationName, crop: Number(flags.crop) });
const backend = createNativeBackend();
console.log(backend.description);
const shapes = shapesAlong(network.layers, cropShape(network, 1));
const seen = new Set<string>();
for (const [index, layer] of network.layers.entries()) {
  if (layer.kind !== 'convolution' || layer.kernel !== 3 || layer.inChannels < 8) continue;
  const key = `${formatShape(shapes[index]!)} ${layer.outChannels}`;
  if (!seen.has(key)) await check(layer, shapes[index]!);
  seen.add(key);
}
