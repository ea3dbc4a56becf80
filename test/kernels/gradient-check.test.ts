/**
 * Every gradient against central differences, in the manner of Caffe's gradient checker. The objective is
 * Σ g · output for random g, or a small network's loss. The differences are always the reference's, which sums
 * in double precision; the analytic gradients are those of the backend under test.
 *
 * Step and threshold: with values of order 1 stored in float32, an objective of n outputs is uncertain by
 * about 3e-8 · √n, so a difference over 2 · 1e-2 is uncertain by 1e-5, and its truncation error is of order
 * step² = 1e-4 (0 for the layers that are linear between kinks). Caffe's step 1e-2 and threshold 1e-3, times
 * the gradient where that is above 1, hold.
 *
 * Kinks: ReLU at 0 and ties in max pooling. A single layer gets values spaced 4 steps apart and from 0.
 * In a chain a step that changes a sign before a ReLU or the place of a maximum is left out, and counted.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Layer, outputShape, shapesAlong } from '../../src/core/layer.ts';
import { elementCount, formatShape, type Shape4 } from '../../src/core/shape.ts';
import { describeBackends, reference } from '../support/backends.ts';
import { chainCase, createParameters, readAll, runBackward, runForward } from '../support/chains.ts';
import { crossEntropy, poolPlaces } from '../support/oracle.ts';
import { dropoutKeysFor, randomTensor, spacedTensor } from '../support/tensors.ts';

const STEP = 1e-2;
const THRESHOLD = 1e-3;

function assertGradient(what: string, analytic: number, numeric: number): void {
  const allowed = THRESHOLD * Math.max(1, Math.abs(analytic), Math.abs(numeric));
  assert.ok(
    Math.abs(analytic - numeric) <= allowed,
    `${what}: the gradient is ${analytic}, but differences say ${numeric}`,
  );
}

/** (f(x + step) − f(x − step)) / 2 step in one value of a tensor, which is put back. */
async function centralDifference(
  tensor: Float32Array,
  index: number,
  step: number,
  objective: () => Promise<number>,
): Promise<number> {
  const kept = tensor[index]!;
  tensor[index] = kept + step;
  // The steps that float32 makes of kept ± step, which are what was taken.
  const above = tensor[index]!;
  const high = await objective();
  tensor[index] = kept - step;
  const below = tensor[index]!;
  const low = await objective();
  tensor[index] = kept;
  return (high - low) / (above - below);
}

const convolution = (kernel: number, padding: number, inChannels: number, outChannels: number): Layer => ({
  kind: 'convolution',
  name: 'conv',
  kernel,
  padding,
  inChannels,
  outChannels,
});
const strongLrn: Layer = { kind: 'lrn', name: 'norm', size: 5, k: 1, alpha: 0.1, beta: 0.75 };

const LAYER_CASES: readonly [layer: Layer, input: Shape4][] = [
  [convolution(3, 1, 3, 2), [2, 3, 4, 5]],
  [convolution(3, 1, 17, 3), [1, 17, 3, 3]],
  [convolution(1, 0, 3, 5), [2, 3, 2, 3]],
  [convolution(5, 2, 2, 3), [1, 2, 5, 4]],
  [convolution(7, 0, 2, 3), [2, 2, 7, 7]],
  [{ kind: 'relu', name: 'relu' }, [2, 3, 4, 3]],
  [{ kind: 'maxPool', name: 'pool', rounding: 'floor' }, [2, 3, 5, 4]],
  [{ kind: 'maxPool', name: 'pool', rounding: 'ceil' }, [2, 3, 5, 3]],
  [strongLrn, [2, 7, 2, 2]],
  [{ ...strongLrn, alpha: 1e-4, k: 2 }, [1, 3, 3, 2]],
  [{ kind: 'dropout', name: 'drop', rate: 0.5 }, [2, 5, 3, 2]],
];

describeBackends('gradients of single layers by differences', (backend) => {
  for (const [index, [layer, shape]] of LAYER_CASES.entries()) {
    const { kind } = layer;
    it(`${kind} ${'kernel' in layer ? `${layer.kernel}×${layer.kernel} ` : ''}${formatShape(shape)}`, async () => {
      const testCase = chainCase([layer], shape, index);
      const hasKinks = kind === 'relu' || kind === 'maxPool';
      const input = hasKinks ? spacedTensor(index, shape, 4 * STEP) : randomTensor(index, shape);
      const outputGradient = randomTensor(20 + index, outputShape(layer, shape));
      const keys = kind === 'dropout' ? dropoutKeysFor(shape[0]) : undefined;
      const analytic = await runBackward(backend, testCase, input, outputGradient, keys);
      const objective = async () => {
        const output = keys
          ? (await runBackward(reference, testCase, input, outputGradient, keys)).output
          : await runForward(reference, testCase, input);
        return output.reduce((sum, y, i) => sum + y * outputGradient[i]!, 0);
      };
      const check = async (what: string, tensor: Float32Array, gradient: Float32Array) => {
        for (let i = 0; i < tensor.length; i++) {
          assertGradient(`${what}[${i}]`, gradient[i]!, await centralDifference(tensor, i, STEP, objective));
        }
      };
      await check('input', input, analytic.inputGradient);
      for (const [name, tensor] of testCase.values) await check(name, tensor, analytic.gradients.get(name)!);
    });
  }
});

/** Block, block, classifier: every kind of layer, 8×8 input, 5 classes. */
function smallNetwork(): Layer[] {
  const named = (name: string, layer: Layer): Layer => ({ ...layer, name });
  return [
    named('conv1', convolution(3, 1, 3, 4)),
    { kind: 'relu', name: 'relu1' },
    strongLrn,
    { kind: 'maxPool', name: 'pool1', rounding: 'floor' },
    named('conv2', convolution(3, 1, 4, 5)),
    { kind: 'relu', name: 'relu2' },
    { kind: 'maxPool', name: 'pool2', rounding: 'ceil' },
    named('fc6', convolution(2, 0, 5, 12)),
    { kind: 'relu', name: 'relu6' },
    { kind: 'dropout', name: 'drop6', rate: 0.5 },
    named('fc8', convolution(1, 0, 12, 5)),
  ];
}

describeBackends('gradients of a small network by differences', (backend) => {
  it('the mean loss, by every parameter', async () => {
    const layers = smallNetwork();
    const testCase = chainCase(layers, [2, 3, 8, 8], 31);
    const input = randomTensor(32, testCase.inputShape);
    const labels = Int32Array.of(1, 4);
    const dropoutKeys = dropoutKeysFor(2);
    const parameters = await createParameters(backend, layers, testCase.values);
    const program = await backend.compileTraining({ ...testCase, parameters });
    await program.accumulate({ input, labels, dropoutKeys }, 1 / labels.length);
    const analytic = await readAll(parameters, 'gradients');
    program.dispose();
    parameters.dispose();

    const runTo = (count: number) =>
      runLayers(layers.slice(0, count), testCase.inputShape, testCase.values, input, dropoutKeys);
    const objective = async () => {
      const logits = await runTo(layers.length);
      return labels.reduce((sum, label, n) => {
        const row = Array.from(logits.subarray(n * 5, (n + 1) * 5));
        return sum + crossEntropy(row, label).loss / labels.length;
      }, 0);
    };
    let probed = 0;
    let kinks = 0;
    const places = await kinkPattern(layers, testCase.inputShape, runTo);
    for (const [name, tensor] of testCase.values) {
      for (let i = 0; i < tensor.length; i += tensor.length > 100 ? 3 : 1) {
        // Between kinks the loss is smooth but not linear: a smaller step keeps the truncation error low.
        const step = STEP / 4;
        let crossed = false;
        const numeric = await centralDifference(tensor, i, step, async () => {
          crossed ||= (await kinkPattern(layers, testCase.inputShape, runTo)) !== places;
          return objective();
        });
        if (crossed) kinks++;
        else assertGradient(`${name}[${i}]`, analytic.get(name)![i]!, numeric);
        probed++;
      }
    }
    assert.ok(kinks < probed / 4, `${kinks} of ${probed} steps met a kink: choose another seed`);
  });
});

/** The chain's output in training mode, by the reference. */
async function runLayers(
  layers: readonly Layer[],
  inputShape: Shape4,
  values: ReadonlyMap<string, Float32Array>,
  input: Float32Array,
  dropoutKeys: Uint32Array,
): Promise<Float32Array> {
  const used = new Map(
    [...values].filter(([name]) => layers.some((layer) => name.startsWith(`${layer.name}.`))),
  );
  const outputGradient = new Float32Array(elementCount(shapesAlong(layers, inputShape).at(-1)!));
  const run = await runBackward(
    reference,
    { layers, inputShape, values: used },
    input,
    outputGradient,
    dropoutKeys,
  );
  return run.output;
}

/** The signs before every ReLU and the place of every maximum. */
async function kinkPattern(
  layers: readonly Layer[],
  inputShape: Shape4,
  runTo: (count: number) => Promise<Float32Array>,
): Promise<string> {
  const shapes = shapesAlong(layers, inputShape);
  const parts: string[] = [];
  for (const [index, layer] of layers.entries()) {
    if (layer.kind === 'relu')
      parts.push(Array.from(await runTo(index), (x) => (x > 0 ? '+' : '-')).join(''));
    if (layer.kind === 'maxPool') parts.push(poolPlaces(layer, shapes[index]!, await runTo(index)).join());
  }
  return parts.join(' ');
}
