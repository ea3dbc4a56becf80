import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { imagePlanes } from '../../../src/data/pixels/crop.ts';
import { prepareForEvaluation } from '../../../src/data/pixels/evaluation-images.ts';
import type { Window } from '../../../src/data/pixels/resample.ts';
import { layersUpTo } from '../../../src/evaluate/features/feature-layers.ts';
import { png } from '../../support/images.ts';
import { ascending, pluck } from '../../support/lists.ts';
import { MEAN } from '../evaluate/small-models.ts';
import { formRequest, imageRequest, smallParts, smallServer } from './small-server.ts';

/** The layer's activations for a window of the image at scale 40 (default: all of it). */
async function expected(bytes: Buffer, layer: string, window?: Window) {
  const { backend, facts, parameters } = await smallParts();
  const [scaled] = await prepareForEvaluation({ kind: 'encoded', bytes }, 'x', [40]);
  const { width, height } = window ?? scaled!;
  const program = await backend.compile({
    layers: layersUpTo('x', facts.network, layer),
    inputShape: [1, 3, height, width],
    parameters,
  });
  const values = await program.forward(imagePlanes(scaled!, MEAN, window));
  return { shape: program.outputShape.slice(1), values };
}

describe('POST /v1/activations', () => {
  it("are the layer's, as bytes of each channel's own range", async (t) => {
    const { ask, json } = await smallServer(t);
    const bytes = await png(52, 40);
    const body = await json(imageRequest('/v1/activations?layer=conv2_1&view=whole', bytes));
    const { shape, values } = await expected(bytes, 'conv2_1');
    const area = shape[1]! * shape[2]!;
    assert.deepEqual(body.shape, shape);
    assert.equal(body.minimum, Math.min(...values));
    assert.equal(body.maximum, Math.max(...values));
    const maps = Buffer.from(body.maps, 'base64');
    assert.equal(maps.length, body.channelIndices.length * area);
    const maxima = [];
    for (const [i, channel] of body.channelIndices.entries()) {
      const own = values.subarray(channel * area, (channel + 1) * area);
      const maximum = Math.max(...own);
      maxima.push(maximum);
      assert.equal(body.channelMaximum[i], maximum);
      assert.ok(Math.abs(body.mean[i] - own.reduce((a, b) => a + b, 0) / area) < 1e-6);
      const drawn = maps.subarray(i * area, (i + 1) * area);
      const levels = [...own].map((value) => (maximum > 0 ? Math.round((255 * value) / maximum) : 0));
      assert.deepEqual([...drawn], levels);
    }
    assert.deepEqual(maxima, ascending(maxima).reverse());
    const few = await ask(imageRequest('/v1/activations?layer=conv2_1&view=whole&channels=2', bytes));
    assert.deepEqual(few.body.channelIndices, body.channelIndices.slice(0, 2));
    assert.deepEqual(few.body.shape, shape);
  });

  it('of an unknown layer are refused with the names of all layers', async (t) => {
    const { refused } = await smallServer(t);
    const request = imageRequest('/v1/activations?layer=conv9_9', await png(40, 40));
    await refused(request, '400 bad_request', /conv1_1, .*fc8/);
  });

  it('accept one image at a time', async (t) => {
    const { refused } = await smallServer(t);
    const image = await png(40, 40);
    const request = formRequest('/v1/activations?layer=fc8', { a: image, b: image });
    await refused(request, '400 bad_request', /one image/);
  });
});

describe('POST /v1/features', () => {
  it('are JSON numbers, pooled on request', async (t) => {
    const { json } = await smallServer(t);
    const bytes = await png(96, 64);
    const body = await json(imageRequest('/v1/features?layer=pool4&view=whole&scale=40&pool=max', bytes));
    // The image is 60×40 then, of which four poolings see a multiple of 16.
    const window = { left: 6, top: 4, width: 48, height: 32 };
    const { shape, values } = await expected(bytes, 'pool4', window);
    const area = shape[1]! * shape[2]!;
    assert.ok(area > 1);
    const [image] = body.images;
    assert.deepEqual(image.shape, [shape[0]]);
    image.values.forEach((value: number, channel: number) => {
      assert.equal(value, Math.max(...values.subarray(channel * area, (channel + 1) * area)));
    });
  });

  it('are one NumPy file of all images on request', async (t) => {
    const { app } = await smallServer(t);
    const files = { a: await png(50, 40, 1), b: await png(40, 60, 2) };
    const answer = await app.inject(formRequest('/v1/features?layer=fc7&as=npy', files));
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    const header = answer.rawPayload.subarray(0, 128).toString('latin1');
    const [, images, size] = /'shape': \((\d+), (\d+)\)/.exec(header) ?? [];
    assert.equal(images, '2');
    const length = 10 + answer.rawPayload.readUInt16LE(8);
    assert.equal(answer.rawPayload.length, length + 2 * Number(size) * 4);
    const second = answer.rawPayload.readFloatLE(length + Number(size) * 4);
    const json = (await app.inject(formRequest('/v1/features?layer=fc7', files))).json();
    assert.equal(second, Math.fround(json.images[1].values[0]));
  });

  it('of images whose maps differ do not fit into an .npy file', async (t) => {
    const { refused } = await smallServer(t);
    const files = { a: await png(50, 40), b: await png(40, 160) };
    const request = formRequest('/v1/features?layer=pool3&view=whole&as=npy', files);
    await refused(request, '400 bad_request', /pool=mean/);
  });
});

describe('GET /v1/model', () => {
  it('describes the network layer by layer', async (t) => {
    const { json } = await smallServer(t);
    const body = await json('/v1/model');
    const [model] = body.models;
    const { name, config, classes, crop, defaultScale, autoScales } = model;
    assert.deepEqual([name, config, classes, crop], ['small', 'A', 5, 32]);
    assert.deepEqual([defaultScale, autoScales], [40, [32, 40, 48]]);
    assert.deepEqual(model.layers[0], {
      name: 'conv1_1',
      kind: 'convolution',
      kernel: 3,
      stride: 1,
      padding: 1,
      outputShape: [2, 32, 32],
      parameters: 3 * 9 * 2 + 2,
      multiplyAdds: 32 * 32 * 3 * 9 * 2,
      receptiveField: 3,
      effectiveStride: 1,
      activations: true,
    });
    assert.equal(model.layers.at(-1).effectiveStride, 32);
    const parameters: number[] = pluck(model.layers, 'parameters');
    const sum = parameters.reduce((a, b) => a + b);
    assert.equal(model.parameters, sum);
    // Clients see names of files, not their folders.
    assert.equal(model.training.data, 'photos');
  });

  it("has the first layer's filters, each in its own range", async (t) => {
    const { json, refused } = await smallServer(t);
    const body = await json('/v1/model/filters');
    const { parameters } = await smallParts();
    const weights = await parameters.read('values', 'conv1_1.weight');
    assert.deepEqual(body.shape, [2, 3, 3, 3]);
    const pixels = Buffer.from(body.filters, 'base64');
    assert.equal(pixels.length, weights.length);
    const second = weights.subarray(27);
    const [least, most] = [Math.min(...second), Math.max(...second)];
    // Channel 1, row 2, column 0 of the second filter.
    const value = second[9 + 6]!;
    assert.equal(pixels[27 + 3 * 6 + 1], Math.round((255 * (value - least)) / (most - least)));
    await refused('/v1/model/filters?layer=conv2_1', '400 bad_request', /conv1_1/);
  });
});
