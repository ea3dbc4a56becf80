import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { shapesAlong } from '../../../../src/core/layer.ts';
import { imagePlanes } from '../../../../src/data/pixels/crop.ts';
import { averageOverPositions, denseWindow } from '../../../../src/evaluate/protocol/dense-score-map.ts';
import { gradCamOf } from '../../../../src/evaluate/protocol/grad-cam.ts';
import { differentiableScores } from '../../../../src/evaluate/protocol/score-gradient.ts';
import { backendsUnderTest } from '../../../support/backends.ts';
import { MEAN, picture, smallModel } from '../small-models.ts';

const LABELS = ['ant', 'bee', 'cat', 'dog', 'eel'];

/**
 * The weights of Grad-CAM by differences instead of a backward pass: the mean gradient over a channel's positions is the
 * derivative of the score when the whole channel changes by the same amount, which moves no maximum of a pooling.
 */
async function gradCamByDifferences(
  model: Awaited<ReturnType<typeof smallModel>>,
  side: number,
  wanted: number,
) {
  const { network, backend, parameters } = model;
  const image = picture(side + 32, side, 3);
  const window = denseWindow(network.layers, image);
  const last = network.layers.findIndex(({ name }) => name === 'relu5_2') + 1;
  const [front, tail] = [network.layers.slice(0, last), network.layers.slice(last)];
  const input = [1, 3, window.height, window.width] as const;
  const shape = shapesAlong(front, input).at(-1)!;
  const run = async (layers: typeof front, inputShape: typeof input, values: Float32Array) => {
    const program = await backend.compile({ layers, inputShape, parameters });
    return program.forward(values);
  };
  const maps = await run(front, input, imagePlanes(image, MEAN, window));
  const scoreOf = async (values: Float32Array) =>
    averageOverPositions(await run(tail, shape as typeof input, values), network.classes)[wanted]!;
  const [, channels, rows, columns] = shape;
  const area = rows * columns;
  const sum = new Float64Array(area);
  const step = 0.002 * Math.max(...maps);
  for (let c = 0; c < channels; c++) {
    const shifted = (by: number) => maps.map((value, i) => (Math.floor(i / area) === c ? value + by : value));
    const slope = ((await scoreOf(shifted(step))) - (await scoreOf(shifted(-step)))) / (2 * step);
    for (let i = 0; i < area; i++) sum[i]! += (slope / area) * maps[c * area + i]!;
  }
  return { image, map: Array.from(sum, (value) => Math.max(0, value)), rows, columns };
}

describe('Grad-CAM', () => {
  for (const { label, backend, skip } of backendsUnderTest) {
    it(`equals the map computed from differences of the score: ${label}`, { skip }, async () => {
      for (const head of [{}, { headPool: { method: 'average', side: 1 } }] as const) {
        const model = await smallModel(head, { backend: backend!, seed: 4 });
        const facts = { ...model, labels: LABELS, meanRgb: MEAN };
        for (const wanted of [0, 3]) {
          const { image, map, rows, columns } = await gradCamByDifferences(model, 64, wanted);
          const found = await gradCamOf({ ...model, facts }, image, wanted);
          assert.deepEqual([found.rows, found.columns, found.effectiveStride], [rows, columns, 16]);
          assert.equal(found.class.label, LABELS[wanted]);
          const most = Math.max(...map, ...found.map);
          // Differences cross a kink of a ReLU here and there.
          const wrong = found.map.filter((value, i) => Math.abs(value - map[i]!) > 0.02 * most);
          assert.ok(wrong.length === 0, `${found.map}\n${map}`);
        }
      }
    });
  }

  it('explains the most probable class by default', async () => {
    const model = await smallModel();
    const facts = { ...model, labels: LABELS, meanRgb: MEAN };
    const found = await gradCamOf({ ...model, facts }, picture(70, 64, 1));
    const chosen = await gradCamOf({ ...model, facts }, picture(70, 64, 1), found.class.index);
    assert.deepEqual(found, chosen);
    assert.ok(found.class.probability >= 0.2);
    assert.ok(found.map.every((value) => value >= 0));
  });

  it('has the gradient of the backward pass of the reference backend', async () => {
    const { network, backend, parameters } = await smallModel();
    const last = network.layers.findIndex(({ name }) => name === 'relu5_2') + 1;
    const layers = network.layers.slice(last).filter(({ kind }) => kind !== 'dropout');
    const shape = [1, 18, 4, 6] as const;
    const maps = Float32Array.from({ length: 18 * 24 }, (_, i) => Math.max(0, Math.sin(i * i)));
    const scores = await differentiableScores({ backend, parameters, layers }, shape, maps);
    const trained = backend.createParameters(parameters.specs, { training: true });
    for (const { name } of parameters.specs) {
      await trained.write('values', name, await parameters.read('values', name));
    }
    const options = { layers, inputShape: shape, parameters: trained, inputGradient: true };
    const program = await backend.compileTraining(options);
    const [, classes, rows, columns] = program.outputShape;
    const outputGradient = new Float32Array(classes * rows * columns);
    outputGradient.fill(1 / (rows * columns), 2 * rows * columns, 3 * rows * columns);
    const { inputGradient, output } = await program.backward({ input: maps }, outputGradient);
    const gradient = await scores.gradient(2);
    assert.deepEqual(scores.values, output);
    for (const [i, value] of gradient.entries()) assert.ok(Math.abs(value - inputGradient![i]!) < 1e-6);
  });
});
