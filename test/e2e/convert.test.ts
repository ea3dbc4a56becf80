import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { vgg } from './cli-process.ts';

const fixture = (name: string) => join(projectFolder, 'test/fixtures/weights', name);

const temporary = new TemporaryFolder();
after(() => temporary.remove());
const at = (name: string) => temporary.path(name);

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await vgg(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('vgg convert', () => {
  test('reports what it read and folded, and checks what it wrote', async () => {
    const out = await succeeds(
      'convert',
      fixture('torch-a-bn.pth'),
      at('bn.safetensors'),
      '--convention',
      'torchvision',
    );
    assert.match(out, /network A \(5 classes, crop 64, width 0\.015625\)/);
    assert.match(out, /SHA-256 [0-9a-f]{64}/);
    assert.match(out, /folded: batch normalization into 8 convolutions/);
    assert.match(out, /its architecture differs from the paper's/);
    assert.match(out, /expects RGB, x − \(123\.675, 116\.28, 103\.53\)/);
    assert.match(out, /read back: all weights are identical to the bit/);
  });

  test('goes from every format to every other without changing an answer', async () => {
    const start = at('start.safetensors');
    const first = JSON.parse(
      await succeeds('convert', fixture('caffe-d-v1.caffemodel'), start, '--convention', 'caffe', '--json'),
    );
    let from = start;
    for (const name of ['a.pth', 'b.caffemodel', 'c.onnx', 'd.h5', 'e.pth', 'f.safetensors']) {
      const { parity } = JSON.parse(await succeeds('convert', from, at(name), '--json'));
      assert.deepEqual(parity.output, first.parity.output, name);
      assert.deepEqual([parity.changed, parity.difference], [[], 0], name);
      from = at(name);
    }
    assert.match(
      await readFile(at('b.prototxt'), 'utf8'),
      /convolution_param \{ num_output: 1 pad: 1 kernel_size: 3 \}/,
    );
  });

  test('asks for facts that a file lacks, and takes them from flags', async () => {
    const input = fixture('torch-d.onnx');
    const refused = await vgg('convert', input, at('x.safetensors'));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /does not state its preprocessing.*--convention.*--mean/);
    const half = await vgg('convert', input, at('x.safetensors'), '--mean', '0.485,0.456,0.406');
    assert.equal(half.code, 2);
    assert.match(half.stderr, /--channel-order/);
    const order = ['--channel-order', 'rgb'];
    const unit = await vgg('convert', input, at('x.safetensors'), '--mean', '0.485,0.456,0.406', ...order);
    assert.equal(unit.code, 2);
    assert.match(unit.stderr, /--pixel-scale 1\/255/);
    const flags = [
      '--mean',
      '0.485,0.456,0.406',
      '--std',
      '0.229,0.224,0.225',
      '--pixel-scale',
      '1/255',
      ...order,
    ];
    const said = JSON.parse(await succeeds('convert', input, at('x.safetensors'), '--json', ...flags));
    const named = JSON.parse(
      await succeeds('convert', input, at('y.safetensors'), '--json', '--convention', 'torchvision'),
    );
    assert.deepEqual(said.parity.output, named.parity.output);
  });

  test('takes class names from a file', async () => {
    await writeFile(at('names.txt'), 'cat\tA cat\ndog\tA dog\nbird\nfish\nworm\n');
    const flags = ['--convention', 'torchvision', '--classes-file', at('names.txt')];
    await succeeds('convert', fixture('torch-d.pth'), at('named.safetensors'), ...flags);
    const inspection = JSON.parse(await succeeds('inspect', at('named.safetensors'), '--json'));
    assert.deepEqual(inspection.labels, ['A cat', 'A dog', 'bird', 'fish', 'worm']);
    await writeFile(at('few.txt'), 'cat\ndog\n');
    const few = await vgg(
      'convert',
      fixture('torch-d.pth'),
      at('z.safetensors'),
      ...flags.slice(0, 3),
      at('few.txt'),
    );
    assert.equal(few.code, 1);
    assert.match(few.stderr, /names 2 classes, but the network has 5/);
  });

  test('does not overwrite a file, or its own input, without --force', async () => {
    await writeFile(at('there.pth'), '');
    const there = await vgg('convert', fixture('torch-d.pth'), at('there.pth'));
    assert.match(there.stderr, /already exists/);
    const own = await vgg('convert', at('there.pth'), at('there.pth'), '--force');
    assert.equal(own.code, 2);
    assert.match(own.stderr, /is also the input/);
    const kind = await vgg('convert', fixture('torch-d.pth'), at('x.tar'));
    assert.equal(kind.code, 2);
    assert.match(kind.stderr, /\.onnx/);
  });
});

describe('vgg inspect', () => {
  test('lists tensors, network and convention of any format', async () => {
    const out = await succeeds('inspect', fixture('keras2-a-bn.h5'), '--convention', 'keras');
    assert.match(out, /block1_conv1\/block1_conv1\/kernel:0/);
    assert.match(out, /3×3×3×1/);
    assert.match(out, /network: A with batch normalization, 5 classes, crop 64/);
    assert.match(out, /expects: BGR, x − \(103\.939, 116\.779, 123\.68\)/);
  });

  test('tells why a file cannot be used unchanged', async () => {
    const inspection = JSON.parse(await succeeds('inspect', fixture('caffe-b-bn-v2.caffemodel'), '--json'));
    assert.equal(inspection.network.configuration, 'B');
    assert.match(inspection.problem, /does not state its preprocessing/);
  });

  test('a file that holds no weights exits with 1', async () => {
    await writeFile(at('none.pth'), 'text');
    assert.equal((await vgg('inspect', at('none.pth'))).code, 1);
  });
});

describe('every --model', () => {
  test('takes any format that is complete, and asks for the missing facts of others', async () => {
    await succeeds('convert', fixture('torch-d.pth'), at('own.onnx'), '--convention', 'torchvision');
    const image = at('image.png');
    const { default: sharp } = await import('sharp');
    await sharp({ create: { width: 80, height: 70, channels: 3, background: '#a05030' } }).toFile(image);
    const out = JSON.parse(
      await succeeds('predict', image, '--model', at('own.onnx'), '--json', '--protocol', 'center'),
    );
    assert.equal(out.images[0].top.length, 5);
    const foreign = await vgg('predict', image, '--model', fixture('torch-d.pth'));
    assert.equal(foreign.code, 1);
    assert.match(foreign.stderr, /does not state its preprocessing/);
    const features = await vgg('predict', image, '--model', fixture('torch-e-features.pth'));
    assert.equal(features.code, 1);
  });
});
