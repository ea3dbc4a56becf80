import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NetworkOptions } from '../../../src/net/network.ts';
import { readSafetensors } from '../../../src/weights/formats/safetensors/reader.ts';
import type { Model } from '../../../src/weights/model/model.ts';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { writeModel } from '../../../src/weights/model/write-model.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { smallModel, writeSafetensors } from './fixtures.ts';

const temporary = new TemporaryFolder();
const file = () => temporary.path('m.safetensors');

function makeModel(options: Partial<NetworkOptions> = {}): Model {
  return {
    ...smallModel(options, (index) => index),
    classes: ['n01', 'n02', 'n03'],
    labels: ['tench', 'goldfish', 'great white shark'],
    meanRgb: [123.68, 116.779, 103.939],
    trainScale: { min: 256, max: 512 },
    colorProfiles: 'convert',
    validation: { split: 'held-out', images: 11, trainedOn: 'ASNFZ4mr' },
    provenance: { createdBy: 'a test', seed: '7' },
    license: 'CC-BY-4.0',
  };
}

/** Writes a good model, then changes its metadata; `undefined` takes a key away. */
async function writeWith(changes: Record<string, string | undefined>): Promise<void> {
  await writeModel(file(), makeModel());
  const { tensors, metadata } = await readSafetensors(file());
  // JSON has no undefined.
  const facts = JSON.parse(JSON.stringify({ ...metadata, ...changes }));
  await writeSafetensors(file(), tensors.values(), facts);
}

const isRefused = (message: RegExp) => refused(readModel(file()), message, file());

describe('model files', () => {
  test('a model is read as it was written', async () => {
    const model = makeModel({ pooling: 'ceil', dropout: 0.25 });
    await writeModel(file(), model);
    assert.deepEqual(await readModel(file()), model);
  });

  test('unknown facts stay absent', async () => {
    const { trainScale: _, license: __, validation: ___, ...model } = makeModel();
    await writeModel(file(), model);
    assert.deepEqual(await readModel(file()), model);
  });

  test('of version 0.2 converted color profiles in training, and ignored them with imported weights', async () => {
    const old = { 'verydeep.colorProfiles': undefined };
    await writeWith(old);
    assert.equal((await readModel(file())).colorProfiles, 'convert');
    await writeWith({ ...old, 'verydeep.trainScale': undefined });
    assert.equal((await readModel(file())).colorProfiles, 'ignore');
  });

  test("a checkpoint's other tensors and metadata are kept, and readModel ignores them", async () => {
    const velocity = { name: 'optimizer.velocity.fc8.bias', shape: [3], data: Float32Array.of(1, 2, 3) };
    await writeModel(file(), makeModel(), [velocity], { 'verydeep.checkpoint': '{}' });
    assert.deepEqual(await readModel(file()), makeModel());
    const all = await readSafetensors(file());
    assert.deepEqual(all.tensors.get(velocity.name), velocity);
    assert.equal(all.metadata['verydeep.checkpoint'], '{}');
  });

  test('writing refuses tensors that the network does not have', async () => {
    const model = makeModel();
    const without = new Map([...model.tensors].slice(1));
    await assert.rejects(writeModel(file(), { ...model, tensors: without }), /conv1_1.weight should have 27/);
    const more = new Map([...model.tensors, ['conv9_1.bias', new Float32Array(1)]]);
    await assert.rejects(writeModel(file(), { ...model, tensors: more }), /no parameter conv9_1.bias/);
    const extra = { name: 'other', shape: [0], data: new Float32Array(0) };
    await assert.rejects(writeModel(file(), model, [extra]), /must be named optimizer\./);
  });

  test('refuses metadata that lacks a key, or a value that makes no sense', async () => {
    const faults: [key: string, value: string | undefined, message: RegExp][] = [
      ['meanRgb', undefined, /lacks the metadata verydeep\.meanRgb/],
      ['meanRgb', '[1,2]', /verydeep\.meanRgb is not valid/],
      ['meanRgb', 'red', /verydeep\.meanRgb is not JSON/],
      ['format', '9', /verydeep\.format is 9, but this version reads only 1; use the version/],
      ['trainScale', '{"min":512,"max":256}', /trainScale is not valid.*min is above max/],
      ['labels', '["one","two"]', /verydeep\.labels has 2 entries, but the network has 3 classes/],
      ['classes', '["a","b","a"]', /verydeep\.classes has a duplicate, "a"/],
    ];
    for (const [key, value, message] of faults) {
      await writeWith({ [`verydeep.${key}`]: value });
      await isRefused(message);
    }
  });

  test('refuses tensors that do not fit the network, with both shapes', async () => {
    const size = { configuration: 'A', classes: 3, crop: 32, width: 1 / 32 };
    for (const [change, message] of [
      [{}, /conv1_1\.weight is 1×3×3×3, but network A .* expects 2×3×3×3/],
      [{ width: 1 / 64, configuration: 'B' }, /no tensor conv1_2\.weight, and network B .* expects 1×1×3×3/],
      [{ crop: 33 }, /verydeep\.network: the crop must be a multiple of 32/],
      [{ configuration: 'F' }, /verydeep\.network is not valid at configuration/],
    ] as const) {
      const network = { ...size, pooling: 'floor', dropout: 0.5, ...change };
      await writeWith({ 'verydeep.network': JSON.stringify(network) });
      await isRefused(message);
    }
  });

  test('tensors are read into the given arrays that fit', async () => {
    const model = makeModel();
    await writeModel(file(), model);
    const places = new Map([
      ['conv1_1.weight', new Float32Array(model.tensors.get('conv1_1.weight')!.length)],
      ['conv1_1.bias', new Float32Array(99)],
    ]);
    const read = await readModel(file(), {
      placesFor: (network) => {
        assert.deepEqual(network, model.network);
        return (name) => places.get(name);
      },
    });
    assert.deepEqual(read, model);
    assert.equal(read.tensors.get('conv1_1.weight'), places.get('conv1_1.weight'));
    assert.notEqual(read.tensors.get('conv1_1.bias'), places.get('conv1_1.bias'));
  });

  test('refuses a surplus tensor before it asks for an array', async () => {
    await writeModel(file(), makeModel({ configuration: 'B' }));
    const { tensors, metadata } = await readSafetensors(file());
    const network = JSON.stringify({ ...JSON.parse(metadata['verydeep.network']!), configuration: 'A' });
    await writeSafetensors(file(), tensors.values(), { ...metadata, 'verydeep.network': network });
    const placesFor = () => assert.fail('a place was asked for');
    const surplus = /has a tensor conv1_2\.bias, which network A .* does not have/;
    await refused(readModel(file(), { placesFor }), surplus);
  });

  test('refuses a safetensors file from another program, naming what is missing', async () => {
    await writeModel(file(), makeModel());
    const { tensors } = await readSafetensors(file());
    await writeSafetensors(file(), tensors.values(), { format: 'pt' });
    await isRefused(/does not state its preprocessing.*--mean r,g,b/);
    await writeSafetensors(file(), [], { format: 'pt' });
    await isRefused(/holds no tensors/);
  });
});
