import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { fixture } from '../unit/weights/fixtures.ts';
import { failed, jsonOf, succeeded, vgg, words } from './cli-process.ts';

const temporary = new TemporaryFolder();
const at = (name: string) => temporary.path(name);

const torchvision = words`--convention torchvision`;

describe('vgg convert', () => {
  test('reports what it read and folded, and verifies what it wrote', async () => {
    const conversion = vgg`convert ${fixture('torch-a-bn.pth')} ${at('bn.safetensors')} ${torchvision}`;
    const { stdout: out } = await succeeded(conversion);
    assert.match(out, /network A \(5 classes, crop 64, width 0\.015625\)/);
    assert.match(out, /SHA-256 [0-9a-f]{64}/);
    assert.match(out, /folded: batch normalization into 8 convolutions/);
    assert.match(out, /its architecture differs from the paper's/);
    assert.match(out, /expects RGB, x − \(123\.675, 116\.28, 103\.53\)/);
    assert.match(out, /read back: all weights are bit-for-bit identical/);
  });

  test('converts every format to every other without changing an output', async () => {
    const start = at('start.safetensors');
    const caffe = fixture('caffe-d-v1.caffemodel');
    const first = await jsonOf(vgg`convert ${caffe} ${start} --convention caffe --json`);
    let from = start;
    for (const name of ['a.pth', 'b.caffemodel', 'c.onnx', 'd.h5', 'e.pth', 'f.safetensors']) {
      const { parity } = await jsonOf(vgg`convert ${from} ${at(name)} --json`);
      assert.deepEqual(parity.output, first.parity.output, name);
      assert.deepEqual([parity.changed, parity.difference], [[], 0], name);
      from = at(name);
    }
    const prototxt = await readFile(at('b.prototxt'), 'utf8');
    assert.match(prototxt, /convolution_param \{ num_output: 1 pad: 1 kernel_size: 3 \}/);
  });

  test('asks for missing facts, and accepts them as flags', async () => {
    const convert = words`convert ${fixture('torch-d.onnx')} ${at('x.safetensors')} --force --json`;
    await failed(vgg(...convert), 1, /does not state its preprocessing.*--convention.*--mean/);
    const mean = words`--mean 0.485,0.456,0.406`;
    await failed(vgg`${convert} ${mean}`, 2, /--channel-order/);
    const order = words`${mean} --channel-order rgb`;
    await failed(vgg`${convert} ${order}`, 2, /--pixel-scale 1\/255/);
    const flags = await jsonOf(vgg`${convert} ${order} --std 0.229,0.224,0.225 --pixel-scale 1/255`);
    const named = await jsonOf(vgg`${convert} ${torchvision}`);
    assert.deepEqual(flags.parity.output, named.parity.output);
  });

  test('reads class names from a file', async () => {
    await writeFile(at('names.txt'), 'cat\tA cat\ndog\tA dog\nbird\nfish\nworm\n');
    const convert = words`convert ${fixture('torch-d.pth')} ${at('named.safetensors')} ${torchvision}`;
    await succeeded(vgg`${convert} --classes-file ${at('names.txt')}`);
    const inspection = await jsonOf(vgg`inspect ${at('named.safetensors')} --json`);
    assert.deepEqual(inspection.labels, ['A cat', 'A dog', 'bird', 'fish', 'worm']);
    await writeFile(at('few.txt'), 'cat\ndog\n');
    const few = vgg`${convert} --force --classes-file ${at('few.txt')}`;
    await failed(few, 1, /names 2 classes, but the network has 5/);
  });

  test('does not overwrite a file, or its own input, without --force', async () => {
    await writeFile(at('there.pth'), '');
    await failed(vgg`convert ${fixture('torch-d.pth')} ${at('there.pth')}`, 1, /already exists/);
    await failed(vgg`convert ${at('there.pth')} ${at('there.pth')} --force`, 2, /is also the input/);
    await failed(vgg`convert ${fixture('torch-d.pth')} ${at('x.tar')}`, 2, /\.onnx/);
  });
});

describe('vgg inspect', () => {
  test('lists tensors, network and convention of any format', async () => {
    const inspection = vgg`inspect ${fixture('keras2-a-bn.h5')} --convention keras`;
    const { stdout: out } = await succeeded(inspection);
    assert.match(out, /block1_conv1\/block1_conv1\/kernel:0/);
    assert.match(out, /3×3×3×1/);
    assert.match(out, /network: A with batch normalization, 5 classes, crop 64/);
    assert.match(out, /expects: BGR, x − \(103\.939, 116\.779, 123\.68\)/);
  });

  test('reports why a file cannot be used unchanged', async () => {
    const inspection = await jsonOf(vgg`inspect ${fixture('caffe-b-bn-v2.caffemodel')} --json`);
    assert.equal(inspection.network.configuration, 'B');
    assert.match(inspection.problem, /does not state its preprocessing/);
  });

  test('a file without weights exits with 1', async () => {
    await writeFile(at('none.pth'), 'text');
    assert.equal((await vgg('inspect', at('none.pth'))).code, 1);
  });
});

describe('every --model', () => {
  test('accepts any complete format, and asks for the missing facts of others', async () => {
    await succeeded(vgg`convert ${fixture('torch-d.pth')} ${at('own.onnx')} ${torchvision}`);
    const image = at('image.png');
    const { default: sharp } = await import('sharp');
    await sharp({ create: { width: 80, height: 70, channels: 3, background: '#a05030' } }).toFile(image);
    const out = await jsonOf(vgg`predict ${image} --model ${at('own.onnx')} --json --protocol center`);
    assert.equal(out.images[0].top.length, 5);
    const foreign = vgg`predict ${image} --model ${fixture('torch-d.pth')}`;
    await failed(foreign, 1, /does not state its preprocessing/);
    const features = await vgg`predict ${image} --model ${fixture('torch-e-features.pth')}`;
    assert.equal(features.code, 1);
  });
});
