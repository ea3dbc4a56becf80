/**
 * Compares every gradient with central differences, as Caffe's gradient checker does. The objective is Σ g · output for
 * random g, or a small network's loss. The differences are always computed by the reference, which sums in double
 * precision; the analytic gradients come from the backend under test.
 *
 * Step and threshold: with values of order 1 stored in float32, an objective of n outputs is uncertain by
 * about 3e-8 · √n, so a difference over 2 · 1e-2 is uncertain by 1e-5, and its truncation error is of order
 * step² = 1e-4 (0 for the layers that are linear between kinks). Caffe's step 1e-2 and threshold 1e-3, times
 * the gradient where that is above 1, hold.
 *
 * Kinks: ReLU at 0 and ties in max pooling. For a single layer, values are at least 4 steps apart and from 0. In a
 * chain, steps that change a sign before a ReLU or the position of a maximum are skipped and counted.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Layer, outputShape, parameterSpecs, shapesAlong } from '../../src/core/layer.ts';
import { formatShape, type Shape4 } from '../../src/core/shape.ts';
import { type Chain, forwardAlong } from '../../src/kernels/reference/reference-chain.ts';
import { ReferenceParameters } from '../../src/kernels/reference/reference-parameters.ts';
import { describeBackends } from '../support/backends.ts';
import {
  adaptivePool,
  type ChainCase,
  chainCase,
  convolution,
  inTraining,
  maxPool,
  readAll,
  relu,
  runBackward,
} from '../support/chains.ts';
import { crossEntropy, poolPlaces } from '../support/oracle.ts';
import { dropoutKeysFor, randomTensor, spacedTensor } from '../support/tensors.ts';

const STEP = 1e-2;
const THRESHOLD = 1e-3;

/** @param rounding largest effect of storing less than float32 on the gradient, else 0 */
function assertGradient(what: string, analytic: number, numeric: number, rounding: number): void {
  const allowed = THRESHOLD * Math.max(1, Math.abs(analytic), Math.abs(numeric)) + rounding;
  assert.ok(
    Math.abs(analytic - numeric) <= allowed,
    `${what}: the gradient is ${analytic}, but the differences give ${numeric}`,
  );
}

/** A chain on the reference with its parameter tensors themselves, not copies, so that single values can be changed. */
function steppable(
  testCase: ChainCase,
  dropoutKeys?: Uint32Array,
): { chain: Chain; values: Map<string, Float32Array> } {
  const { layers, inputShape } = testCase;
  const parameters = new ReferenceParameters(parameterSpecs(layers), { training: false });
  const values = new Map<string, Float32Array>();
  for (const [name, data] of testCase.values) {
    const tensor = parameters.view('gradient check', 'values', name);
    tensor.set(data);
    values.set(name, tensor);
  }
  const shapes = shapesAlong(layers, inputShape);
  return { chain: { operation: 'gradient check', layers, shapes, parameters, dropoutKeys }, values };
}

/** (f(x + step) − f(x − step)) / (2 step) for one value of a tensor, which is restored. */
function centralDifference(
  tensor: Float32Array,
  index: number,
  step: number,
  objective: () => number,
): number {
  const kept = tensor[index]!;
  // In float32, the steps taken differ slightly from ± step.
  tensor[index] = kept + step;
  const above = tensor[index]!;
  const high = objective();
  tensor[index] = kept - step;
  const below = tensor[index]!;
  const low = objective();
  tensor[index] = kept;
  return (high - low) / (above - below);
}

const strongLrn: Layer = { kind: 'lrn', name: 'norm', size: 5, k: 1, alpha: 0.1, beta: 0.75 };

const LAYER_CASES: readonly [layer: Layer, input: Shape4][] = [
  [convolution(3, 2), [2, 3, 4, 5]],
  [convolution(17, 3), [1, 17, 3, 3]],
  [convolution(3, 5, { kernel: 1, padding: 0 }), [2, 3, 2, 3]],
  [convolution(2, 3, { kernel: 5, padding: 2 }), [1, 2, 5, 4]],
  [convolution(2, 3, { kernel: 7, padding: 0 }), [2, 2, 7, 7]],
  [relu(), [2, 3, 4, 3]],
  [maxPool('floor', 'pool'), [2, 3, 5, 4]],
  [maxPool('ceil', 'pool'), [2, 3, 5, 3]],
  [adaptivePool('average'), [2, 3, 4, 3]],
  [adaptivePool('average', 3), [1, 2, 7, 2]],
  [adaptivePool('max'), [2, 3, 3, 4]],
  [strongLrn, [2, 7, 2, 2]],
  [{ ...strongLrn, alpha: 1e-4, k: 2 }, [1, 3, 3, 2]],
  [{ kind: 'dropout', name: 'drop', rate: 0.5 }, [2, 5, 3, 2]],
];

describeBackends(
  'gradients of single layers against central differences',
  (backend, { rounding, layerTolerance }) => {
    for (const [index, [layer, shape]] of LAYER_CASES.entries()) {
      const { kind } = layer;
      it(`${kind} ${'kernel' in layer ? `${layer.kernel}×${layer.kernel} ` : ''}${formatShape(shape)}`, async () => {
        const testCase = chainCase([layer], shape, index);
        const hasKinks = kind === 'relu' || kind === 'maxPool' || kind === 'adaptivePool';
        const input = hasKinks ? spacedTensor(index, shape, 4 * STEP) : randomTensor(index, shape);
        const outputGradient = randomTensor(20 + index, outputShape(layer, shape));
        const keys = kind === 'dropout' ? dropoutKeysFor(shape[0]) : undefined;
        const analytic = await runBackward(backend, testCase, input, outputGradient, keys);
        const { chain, values } = steppable(testCase, keys);
        const objective = () =>
          forwardAlong(chain, input)
            .at(-1)!
            .reduce((sum, y, i) => sum + y * outputGradient[i]!, 0);
        const check = (what: string, tensor: Float32Array, gradient: Float32Array) => {
          const rounded = rounding && layerTolerance * largest(gradient);
          for (let i = 0; i < tensor.length; i++) {
            const numeric = centralDifference(tensor, i, STEP, objective);
            assertGradient(`${what}[${i}]`, gradient[i]!, numeric, rounded);
          }
        };
        check('input', input, analytic.inputGradient);
        for (const [name, tensor] of values) check(name, tensor, analytic.gradients.get(name)!);
      });
    }
  },
);

/** Block, block, classifier: every kind of layer, 8×8 input, 5 classes. */
function smallNetwork(): Layer[] {
  return [
    convolution(3, 4, { name: 'conv1' }),
    relu('relu1'),
    strongLrn,
    maxPool('floor', 'pool1'),
    convolution(4, 5, { name: 'conv2' }),
    relu('relu2'),
    maxPool('ceil', 'pool2'),
    convolution(5, 12, { kernel: 2, padding: 0, name: 'fc6' }),
    relu('relu6'),
    { kind: 'dropout', name: 'drop6', rate: 0.5 },
    convolution(12, 5, { kernel: 1, padding: 0, name: 'fc8' }),
  ];
}

describeBackends(
  'gradients of a small network against central differences',
  (backend, { rounding, networkTolerance }) => {
    it('of the mean loss, for every parameter', async (t) => {
      const testCase = chainCase(smallNetwork(), [2, 3, 8, 8], 31);
      const input = randomTensor(32, testCase.inputShape);
      const labels = Int32Array.of(1, 4);
      const dropoutKeys = dropoutKeysFor(2);
      const analytic = await inTraining(backend, testCase, async (program, parameters) => {
        await program.accumulate({ input, labels, dropoutKeys }, 1 / labels.length);
        return readAll(parameters, 'gradients');
      });
      const { chain, values } = steppable(testCase, dropoutKeys);
      const places = kinkPattern(chain, forwardAlong(chain, input));
      let crossed = false;
      const objective = () => {
        const tensors = forwardAlong(chain, input);
        crossed ||= kinkPattern(chain, tensors) !== places;
        return meanLoss(tensors.at(-1)!, labels);
      };
      let probed = 0;
      let kinks = 0;
      for (const [name, tensor] of values) {
        const gradient = analytic.get(name)!;
        const rounded = rounding && networkTolerance * largest(gradient);
        for (let i = 0; i < tensor.length; i++) {
          crossed = false;
          // Between kinks the loss is smooth but not linear, so a smaller step keeps the truncation error low.
          const numeric = centralDifference(tensor, i, STEP / 4, objective);
          probed++;
          if (crossed) kinks++;
          else assertGradient(`${name}[${i}]`, gradient[i]!, numeric, rounded);
        }
      }
      t.diagnostic(`${kinks} of ${probed} steps crossed a kink and were skipped`);
      assert.ok(kinks < probed / 4, `${kinks} of ${probed} steps crossed a kink: choose another seed`);
    });
  },
);

function largest(tensor: Float32Array): number {
  return tensor.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function meanLoss(logits: Float32Array, labels: Int32Array): number {
  const classes = logits.length / labels.length;
  return labels.reduce((sum, label, n) => {
    const row = Array.from(logits.subarray(n * classes, (n + 1) * classes));
    return sum + crossEntropy(row, label).loss / labels.length;
  }, 0);
}

/** The signs before every ReLU and the position of every maximum. */
function kinkPattern({ layers, shapes }: Chain, tensors: readonly Float32Array[]): string {
  return layers
    .map(({ kind }, index) => {
      if (kind === 'relu') return Array.from(tensors[index]!, (x) => (x > 0 ? '+' : '-')).join('');
      if (kind === 'maxPool') return poolPlaces(layers[index]!, shapes[index]!, tensors[index]!).join();
      return '';
    })
    .join(' ');
}
