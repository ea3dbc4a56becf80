/** The same weights in other containers (tools/weights_containers.py) are read to the bit, and nothing in them is run. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { UserError } from '../../../src/core/errors.ts';
import { modelChecksum } from '../../../src/weights/formats/model-files.ts';
import type { Model } from '../../../src/weights/model/model.ts';
import {
  type ReadModelOptions,
  readModel,
  readModelWithReport,
} from '../../../src/weights/model/read-model.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { fixture } from './fixtures.ts';
import { mutated } from './mutation.ts';

const temporary = new TemporaryFolder();
/** MatConvNet's own preprocessing, so that nothing is folded. */
const native: ReadModelOptions = { channelOrder: 'rgb', mean: [123.68, 116.779, 103.939] };
let expected: Model;
before(async () => {
  expected = await readModel(fixture('torch-d.pth'), native);
});

describe('the same weights', () => {
  const containers = [
    ...['d-extras.pth', 'd-extras-legacy.pth', 'd-whole.pth', 'd-script.pt', 'd-exported.pt2'],
    ...['d-sharded', 'd-sharded/model.safetensors.index.json'],
    ...['d-named.npz', 'd-slim.npz', 'd-numbered.npz', 'd-arrays'],
    ...['d-matconvnet.mat', 'd-matconvnet-old.mat'],
  ];
  for (const name of containers) {
    test(`in ${name}`, async () => {
      const { model, report } = await readModelWithReport(fixture(name), native);
      const { tensors, network } = model;
      assert.deepEqual(report!.ignored, name.startsWith('d-extras') ? ['generator'] : []);
      assert.deepEqual(tensors, expected.tensors);
      assert.equal(network.configuration, 'D');
      assert.equal(network.crop, 64);
    });
  }

  test('MatConvNet states its mean, classes and rounding', async () => {
    for (const name of ['d-matconvnet.mat', 'd-matconvnet-old.mat']) {
      const { meanRgb, classes, labels, network } = await readModel(fixture(name));
      assert.deepEqual(meanRgb, [123.68, 116.779, 103.939]);
      assert.deepEqual(classes.slice(0, 2), ['n00000000', 'n00000001']);
      assert.deepEqual(labels, ['ant', 'bee', 'cat, feline', 'dog', 'eel']);
      assert.equal(network.pooling, 'ceil');
    }
  });

  test('a frozen TorchScript program has no names', async () => {
    await refused(readModel(fixture('d-frozen.pt'), native), /frozen TorchScript program.*state_dict/);
  });

  test('the checksum of several files is that of sha256sum', async () => {
    const folder = fixture('d-sharded');
    const lines = 'cd "$0" && sha256sum model.safetensors.index.json model-00001* model-00002* | sha256sum';
    const [sha256] = execFileSync('sh', ['-c', lines, folder], { encoding: 'utf8' }).split(' ');
    assert.equal((await modelChecksum(folder)).sha256, sha256);
  });
});

describe('shards', () => {
  async function copied(name: string, index: (text: string) => string): Promise<string> {
    const folder = temporary.path(name);
    await cp(fixture('d-sharded'), folder, { recursive: true });
    const file = join(folder, 'model.safetensors.index.json');
    await writeFile(file, index(await readFile(file, 'utf8')));
    return folder;
  }

  test('one alone, a missing one, a wrong index and one that leads elsewhere are refused', async () => {
    const lone = fixture('d-sharded/model-00001-of-00002.safetensors');
    await refused(readModel(lone, native), /is one of 2 shards of a model; give their index/);
    const missing = await copied('missing', (text) => text.replaceAll('00002-of', '00003-of'));
    await refused(readModel(missing, native), /model-00003-of-00002\.safetensors could not be read/);
    const swapped = await copied('swapped', (text) => text.replace('00001-of', '00002-of'));
    await refused(readModel(swapped, native), /has no tensor/);
    for (const place of ['../x.safetensors', '/etc/passwd', 'a\\\\b', 'model.safetensors.index.json']) {
      const outside = await copied('outside', (text) =>
        text.replace('model-00001-of-00002.safetensors', place),
      );
      await refused(readModel(outside, native), /index/);
    }
  });
});

describe('files that are not weights', () => {
  const zip = (name: string, data: string): Buffer => {
    const packed = deflateRawSync(data);
    const head = Buffer.alloc(30);
    head.write('PK\x03\x04', 'latin1');
    const entry = Buffer.alloc(46);
    entry.write('PK\x01\x02', 'latin1');
    for (const [part, at] of [
      [head, 8],
      [entry, 10],
    ] as const) {
      part.writeUInt16LE(8, at);
      part.writeUInt32LE(packed.length, at + 10);
      part.writeUInt32LE(data.length, at + 14);
      part.writeUInt16LE(name.length, at + 18);
    }
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(1, 8);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(46 + name.length, 12);
    end.writeUInt32LE(30 + name.length + packed.length, 16);
    return Buffer.concat([head, Buffer.from(name), packed, entry, Buffer.from(name), end]);
  };
  const cases: Readonly<Record<string, [content: Buffer | string, message: RegExp]>> = {
    'a.pth': ['<!DOCTYPE html>\n<html>404', /a web page or XML.*download the model file again/],
    'b.safetensors': [
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\n',
      /Git LFS pointer.*git lfs pull/,
    ],
    'c.npy': ['\x93NUMPY\x01\x00', /single NumPy array.*\.npz/],
    'd.mat': ['MATLAB 7.3 MAT-file, Platform: GLNXA64', /MATLAB 7\.3.*'-v7'/],
    'e.pth.tar.gz': [gzipSync('x'), /gzip archive.*gunzip/],
    'f.json': ['{"a": 1}', /a JSON file/],
    'g.caffemodel': ['name: "VGG"\nlayers {\n', /description of a network.*\.caffemodel/],
    'h.pth': [zip('word/document.xml', 'x'), /a zip archive but not a model: it holds word\/document\.xml/],
    'i.zip': [zip('vgg/vgg16.pth', 'x'), /unpack it and give vgg\/vgg16\.pth/],
    'j.tflite': ['\x1c\x00\x00\x00TFL3', /TensorFlow Lite/],
    'k.ort': ['\x1c\x00\x00\x00ORTM', /ONNX Runtime/],
    'model.ckpt-7.index': ['\x00\x00\x01\x02global', /TensorFlow checkpoint.*numpy\.savez/],
    'model.ckpt.data-00000-of-00001': ['\x00\x00\x01\x02', /TensorFlow checkpoint/],
    'frozen.pb': ['\n\x05input', /TensorFlow graph/],
    'l.pth': ['\x89PNG\r\n\x1a\n', /an image/],
    'm.bin': ['', /an empty file/],
  };
  for (const [name, [content, message]] of Object.entries(cases)) {
    test(`${name} is called what it is`, async () => {
      const path = temporary.path(name);
      await writeFile(path, typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
      await refused(readModel(path), message);
    });
  }

  for (const [file, message] of [
    ['saved_model.pb', /TensorFlow SavedModel.*model\.h5/],
    ['checkpoint', /folder of TensorFlow checkpoints/],
    ['best.safetensors', /is a run folder; give its model, .*best\.safetensors/],
    ['other.txt', /is a folder without model\.safetensors/],
  ] as const) {
    test(`a folder with ${file} is called what it is`, async () => {
      const folder = temporary.path(`with-${file}`);
      await mkdir(folder);
      await writeFile(join(folder, file), 'x');
      await refused(readModel(folder), message);
    });
  }
});

describe('damaged containers', () => {
  const names = [
    'd-extras.pth',
    'd-whole.pth',
    'd-script.pt',
    'd-exported.pt2',
    'd-named.npz',
    'd-matconvnet.mat',
  ];
  for (const name of names) {
    test(`${name}: read or refused in a sentence`, async () => {
      const original = await readFile(fixture(name));
      const path = temporary.path(name);
      await fc.assert(
        fc.asyncProperty(fc.nat(), async (index) => {
          await writeFile(path, mutated(original, 1, index));
          await readModel(path, native).catch((error: unknown) => {
            assert.ok(error instanceof UserError && !error.message.includes('\n'), String(error));
          });
        }),
        { numRuns: 30 },
      );
    });
  }
});
