import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { initialize } from '../../../src/net/initialization.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { classNamesFor, developmentKitOrder } from '../../../src/weights/labels/class-names.ts';
import { readModel } from '../../../src/weights/model/read-model.ts';
import { temporaryFolder } from '../../support/images.ts';
import { ascending, range } from '../../support/lists.ts';
import { writeSafetensors } from './fixtures.ts';

describe("ILSVRC's classes", () => {
  const { classes, labels } = classNamesFor(1000);

  test('are 1000 different synsets in sorted order, each with its words', () => {
    assert.equal(classes.length, 1000);
    assert.equal(new Set(classes).size, 1000);
    assert.deepEqual([...classes].sort(), classes);
    assert.ok(classes.every((synset) => /^n\d{8}$/.test(synset)));
    assert.ok(labels.every((words) => words.length > 1 && words.trim() === words));
  });

  test('well-known classes have their usual positions', () => {
    const at = (index: number) => `${classes[index]} ${labels[index]}`;
    assert.equal(at(0), 'n01440764 tench, Tinca tinca');
    assert.equal(at(281), 'n02123045 tabby, tabby cat');
    assert.equal(at(282), 'n02123159 tiger cat');
    assert.equal(at(388), 'n02510455 giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca');
    assert.equal(at(999), 'n15075141 toilet tissue, toilet paper, bathroom tissue');
  });

  test("the development kit's order is a permutation, from kit fox to dumbbell", () => {
    const order = developmentKitOrder(1000);
    assert.deepEqual(ascending(order), range(1000));
    const inKit = (id: number) => labels[order.indexOf(id - 1)];
    assert.match(inKit(1)!, /^kit fox/);
    assert.match(inKit(2)!, /^English setter/);
    assert.match(inKit(1000)!, /^dumbbell/);
  });

  test("a network in the development kit's order is reordered by synset", async (t) => {
    const network = buildNetwork({ configuration: 'A', crop: 32, width: 1 / 64 });
    const tensors = new Map(initialize(network, { method: 'he-unscaled', seed: 1 }));
    // Output i of the file is class i + 1 of the kit, as its bias tells.
    const numbers = Float32Array.from(range(1000), (i) => i + 1);
    tensors.set('fc8.bias', numbers);
    const path = join(await temporaryFolder(t), 'kit.safetensors');
    const named = network.parameters.map(({ name, shape }) => ({ name, shape, data: tensors.get(name)! }));
    await writeSafetensors(path, named);
    const model = await readModel(path, { convention: 'caffe', classOrder: 'devkit' });
    const bias = model.tensors.get('fc8.bias')!;
    assert.equal(bias[model.classes.indexOf('n02119789')], 1);
    assert.equal(bias[model.classes.indexOf('n03255030')], 1000);
    const weight = model.tensors.get('fc8.weight')!;
    const at = model.classes.indexOf('n02100735');
    assert.deepEqual(weight.slice(64 * at, 64 * at + 64), tensors.get('fc8.weight')!.slice(64, 128));
    assert.deepEqual(model.labels, labels);
  });

  test('are chosen by the number of classes', () => {
    assert.deepEqual(classNamesFor(2), { classes: ['class0', 'class1'], labels: ['class0', 'class1'] });
    assert.throws(() => developmentKitOrder(10), /1000 classes/);
  });
});
