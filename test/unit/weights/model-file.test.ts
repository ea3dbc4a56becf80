import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { UserError } from '../../../src/core/errors.ts';
import { elementCount } from '../../../src/core/shape.ts';
import { buildNetwork, type NetworkOptions } from '../../../src/net/network.ts';
import { readSafetensors } from '../../../src/weights/formats/safetensors/reader.ts';
import type { Model } from '../../../src/weights/model/model.ts';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { writeModel } from '../../../src/weights/model/write-model.ts';
import { writeSafetensors } from './fixtures.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verydeep-model-'));
});
after(() => rm(folder, { recursive: true }));
const file = () => join(folder, 'm.safetensors');

function makeModel(options: Partial<NetworkOptions> = {}): Model {
  const network = buildNetwork({ configuration: 'A', classes: 3, crop: 32, width: 1 / 64, ...options });
  return {
    network,
    tensors: new Map(
      network.parameters.map(({ name, shape }, index) => [
        name,
        new Float32Array(elementCount(shape)).fill(index),
      ]),
    ),
    classes: ['n01', 'n02', 'n03'],
    labels: ['tench', 'goldfish', 'great white shark'],
    meanRgb: [123.68, 116.779, 103.939],
    trainScale: { min: 256, max: 512 },
    provenance: { createdBy: 'a test', seed: '7' },
    license: 'CC-BY-4.0',
  };
}

/** Writes a good model, then changes its metadata; `undefined` takes a key away. */
async function writeWith(changes: Record<string, string | undefined>): Promise<void> {
  await writeModel(file(), makeModel());
  const { tensors, metadata } = await readSafetensors(file());
  const facts = Object.entries({ ...metadata, ...changes }).filter(
    (fact): fact is [string, string] => fact[1] !== undefined,
  );
  await writeSafetensors(file(), tensors.values(), Object.fromEntries(facts));
}

const refused = (message: RegExp) =>
  assert.rejects(readModel(file()), (error: Error) => {
    assert.ok(error instanceof UserError, error.stack);
    assert.match(error.message, message);
    assert.ok(error.message.includes(file()), error.message);
    return true;
  });

describe('model files', () => {
  test('a model is read as it was written', async () => {
    const model = makeModel({ pooling: 'ceil', dropout: 0.25 });
    await writeModel(file(), model);
    assert.deepEqual(await readModel(file()), model);
  });

  test('what is not known stays away', async () => {
    const { trainScale: _, license: __, ...model } = makeModel();
    await writeModel(file(), model);
    assert.deepEqual(await readModel(file()), model);
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
    await writeWith({ 'verydeep.meanRgb': undefined });
    await refused(/lacks the metadata verydeep\.meanRgb/);
    await writeWith({ 'verydeep.meanRgb': '[1,2]' });
    await refused(/verydeep\.meanRgb is not valid/);
    await writeWith({ 'verydeep.meanRgb': 'red' });
    await refused(/verydeep\.meanRgb is not JSON/);
    await writeWith({ 'verydeep.format': '9' });
    await refused(/verydeep\.format is 9, and this version reads 1; use the version/);
    await writeWith({ 'verydeep.trainScale': '{"min":512,"max":256}' });
    await refused(/trainScale is not valid.*min is above max/);
  });

  test('refuses lists that do not fit the number of classes', async () => {
    await writeWith({ 'verydeep.labels': '["one","two"]' });
    await refused(/verydeep\.labels has 2 entries, but the network has 3 classes/);
    await writeWith({ 'verydeep.classes': '["a","b","a"]' });
    await refused(/verydeep\.classes has a duplicate, "a"/);
  });

  test('refuses tensors that do not fit the network, with both shapes', async () => {
    const network = {
      configuration: 'A',
      classes: 3,
      crop: 32,
      width: 1 / 32,
      pooling: 'floor',
      dropout: 0.5,
    };
    await writeWith({ 'verydeep.network': JSON.stringify(network) });
    await refused(/conv1_1\.weight is 1×3×3×3, but network A .* expects 2×3×3×3/);
    await writeWith({
      'verydeep.network': JSON.stringify({ ...network, width: 1 / 64, configuration: 'B' }),
    });
    await refused(/has no tensor conv1_2\.weight, and network B .* expects 1×1×3×3/);
    await writeWith({ 'verydeep.network': JSON.stringify({ ...network, crop: 33 }) });
    await refused(/verydeep\.network: the crop must be a multiple of 32/);
    await writeWith({ 'verydeep.network': JSON.stringify({ ...network, configuration: 'F' }) });
    await refused(/verydeep\.network is not valid at configuration/);
  });

  test('tensors are read into the places that are given for them, where they fit', async () => {
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

  test('no place is asked for before the shapes are known to fit', async () => {
    await writeModel(file(), makeModel({ configuration: 'B' }));
    const { tensors, metadata } = await readSafetensors(file());
    const network = JSON.stringify({ ...JSON.parse(metadata['verydeep.network']!), configuration: 'A' });
    await writeSafetensors(file(), tensors.values(), { ...metadata, 'verydeep.network': network });
    const placesFor = () => assert.fail('a place was asked for');
    await assert.rejects(readModel(file(), { placesFor }), UserError);
  });

  test('refuses a tensor that the network does not have', async () => {
    await writeModel(file(), makeModel({ configuration: 'B' }));
    const { tensors, metadata } = await readSafetensors(file());
    const network = JSON.stringify({ ...JSON.parse(metadata['verydeep.network']!), configuration: 'A' });
    await writeSafetensors(file(), tensors.values(), { ...metadata, 'verydeep.network': network });
    await refused(/has a tensor conv1_2\.bias, which network A .* does not have/);
  });

  test('refuses a safetensors file of another maker, naming what is missing', async () => {
    await writeModel(file(), makeModel());
    const { tensors } = await readSafetensors(file());
    await writeSafetensors(file(), tensors.values(), { format: 'pt' });
    await refused(/does not state its preprocessing.*--mean r,g,b/);
    await writeSafetensors(file(), [], { format: 'pt' });
    await refused(/holds no tensors/);
  });
});
