/** Files that are damaged, hostile, or hold another network: each is refused in one sentence. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { describe, test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { UserError } from '../../../src/core/errors.ts';
import { elementCount } from '../../../src/core/shape.ts';
import { hdf5File } from '../../../src/weights/containers/hdf5/hdf5-writer.ts';
import { Message } from '../../../src/weights/containers/protobuf/message-writer.ts';
import { zipArchive } from '../../../src/weights/containers/zip/zip-writer.ts';
import { readSafetensors } from '../../../src/weights/formats/safetensors/reader.ts';
import { readModelWithReport } from '../../../src/weights/model/read-model.ts';
import { range } from '../../support/lists.ts';
import { refused } from '../../support/refused.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { fixture, writeSafetensors } from './fixtures.ts';
import { mutated } from './mutation.ts';

const temporary = new TemporaryFolder();

const read = (path: string) => readModelWithReport(path, { convention: 'torchvision', allowFeatures: true });

async function written(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = temporary.path(name);
  await writeFile(path, bytes);
  return path;
}

/** A PyTorch archive with any pickle. */
function archive(pickle: string, name = 'x/data.pkl'): Buffer {
  return Buffer.concat([...zipArchive([{ name, data: Buffer.from(pickle, 'latin1') }])]);
}

const fixtures = [
  ...['timm-d.safetensors', 'torch-d.pth', 'torch-d-legacy.pt', 'torch-b-bn.onnx'],
  ...['caffe-d-v1.caffemodel', 'keras2-a-bn.h5', 'keras3-a.keras'],
];

describe('bad weight files', () => {
  for (const name of fixtures) {
    test(`${name}: truncated anywhere, it is refused`, async () => {
      const whole = await readFile(fixture(name));
      for (const part of [0, 0.001, 0.01, 0.1, 0.3, 0.6, 0.9, 0.999]) {
        const path = await written(`cut${extname(name)}`, whole.subarray(0, Math.floor(part * whole.length)));
        await refused(read(path), path);
      }
    });

    test(`${name}: damaged at random, it is read or refused`, async () => {
      const whole = await readFile(fixture(name));
      for (let index = 0; index < 120; index++) {
        const path = await written(`damaged${extname(name)}`, mutated(whole, 3, index));
        await read(path).catch((error: unknown) => {
          assert.ok(error instanceof UserError, `mutation ${index}: ${(error as Error).stack}`);
          assert.doesNotMatch(error.message, /\n/);
        });
      }
    });
  }

  for (const extension of ['safetensors', 'pth', 'onnx', 'caffemodel', 'h5', 'keras']) {
    test(`text and an empty file are not a .${extension}`, async () => {
      await refused(read(await written(`text.${extension}`, 'These are no weights.\n'.repeat(9))));
      await refused(read(await written(`empty.${extension}`, '')), /empty/);
      await refused(read(temporary.path(`missing.${extension}`)), /no such file/);
    });
  }

  test('a file of an unknown format is refused with the known extensions', async () => {
    await refused(
      read(await written('weights.bin2', 'whatever it is')),
      /the format of .* is not recognized/,
      '.onnx',
    );
  });
});

describe('odd names', () => {
  test('a layer name with a line break is refused in one line', async () => {
    const path = temporary.path('break.h5');
    const dataset = { shape: [1], type: 'U8', content: () => [Buffer.of(1)] } as const;
    const vars = { datasets: { 0: dataset } };
    await writeFile(path, Buffer.concat([...hdf5File({ groups: { 'conv\n2d_1': { groups: { vars } } } })]));
    await refused(read(path), /none is a convolution/);
  });
});

describe('hostile pickles', () => {
  test('a pickle that uses a dangerous function is refused with its name', async () => {
    const attacks = {
      'os.system': '\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.',
      'builtins.eval': '\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.',
      'collections.OrderedDict.__class__': '\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93)R.',
      'torch._utils.__builtins__': '\x80\x02ctorch._utils\n__builtins__\n)R.',
    };
    for (const [name, pickle] of Object.entries(attacks)) {
      await refused(read(await written('attack.pth', archive(pickle))), JSON.stringify(name), /state_dict/);
    }
  });

  test('opcodes of old protocols, extensions and buffers are refused', async () => {
    for (const opcode of ['i', 'o', '\x82', 'P', '\x97']) {
      await refused(read(await written('opcode.pth', archive(`\x80\x02(${opcode}os\nsystem\n.`))), /opcode/);
    }
  });

  test('a pickle that contains itself is read in finite time', async () => {
    for (const pickle of ['\x80\x02]q\x00h\x00a.', '\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.']) {
      await refused(read(await written('cycle.pth', archive(pickle))), /holds no tensors/);
    }
  });

  test('a pickle that doubles itself again and again does not grow', async () => {
    // A list of two references to the list before, a hundred times: 2^100 paths.
    const [byte, levels] = [String.fromCharCode, range(100)];
    const lists = levels.map((i) => `](h${byte(i)}h${byte(i)}eq${byte(i + 1)}`).join('');
    await refused(read(await written('laughs.pth', archive(`\x80\x02]q\x00${lists}.`))), /no tensors/);
  });
});

describe('hostile archives', () => {
  test('names that lead out of the archive are refused', async () => {
    for (const name of ['../data.pkl', '/etc/data.pkl', 'x/../../data.pkl', 'C:/data.pkl']) {
      await refused(read(await written('path.pth', archive('\x80\x02}.', name))), /zip archive/);
    }
  });

  test('a duplicate file and a missing file are refused', async () => {
    const entry = { name: 'x/data.pkl', data: Buffer.from('\x80\x02}.', 'latin1') };
    const twice = Buffer.concat([...zipArchive([entry, { ...entry }])]);
    await refused(read(await written('twice.pth', twice)), /duplicate file x\/data\.pkl/);
    const none = Buffer.concat([...zipArchive([{ ...entry, name: 'x/other' }])]);
    await refused(read(await written('none.pth', none)), /a zip archive but not a model: it holds x\/other/);
  });

  test('a directory at an impossible position is refused', async () => {
    const whole = Buffer.concat([...zipArchive([{ name: 'x/data.pkl', data: Buffer.from('N.') }])]);
    const end = Buffer.from(whole.subarray(-22));
    end.writeUInt32LE(0xffffffff, 16);
    // A 64-bit locator before it points far beyond the file.
    const locator = Buffer.alloc(20);
    locator.write('PK\x06\x07', 'latin1');
    locator.writeBigUInt64LE(36_028_797_019_016_030n, 8);
    locator.writeUInt32LE(1, 16);
    const path = await written('place.pth', Buffer.concat([whole.subarray(0, -22), locator, end]));
    await refused(read(path), /zip archive/);
  });

  test('a zip bomb is refused for its size without unpacking', async () => {
    const path = await written('bomb.pth', bomb(2 ** 32 - 2));
    await refused(read(path), /4294967294 bytes, more than the limit/);
    // One that lies about its size is stopped when it exceeds it.
    await refused(read(await written('liar.pth', bomb(100))), /zip archive: .*too many bytes/);
  });
});

/** An archive whose data.pkl unpacks to 64 MiB of zeros and claims another size. */
function bomb(claimed: number): Buffer {
  const data = deflateRawSync(Buffer.alloc(64 * 2 ** 20));
  const bytes = Buffer.concat([...zipArchive([{ name: 'x/data.pkl', data }])]);
  // Compression method and unpacked size, in the local and in the central header.
  for (const [signature, method, size] of [
    ['PK\x03\x04', 8, 22],
    ['PK\x01\x02', 10, 24],
  ] as const) {
    const at = bytes.lastIndexOf(signature, undefined, 'latin1');
    bytes.writeUInt16LE(8, at + method);
    bytes.writeUInt32LE(claimed, at + size);
  }
  return bytes;
}

describe('hostile ONNX models', () => {
  for (const location of ['../secret', '/etc/passwd', 'a/b', '..', '']) {
    test(`external data at ${JSON.stringify(location)} is refused`, async () => {
      const entry = new Message().text(1, 'location').text(2, location);
      const tensor = new Message().int(1, 4).int(2, 1).text(8, 'w').message(13, entry).int(14, 1);
      const model = new Message().message(7, new Message().message(5, tensor));
      await refused(
        read(await written('external.onnx', Buffer.concat([...model.pieces]))),
        /in the same folder/,
      );
    });
  }
});

describe('other networks', () => {
  const tensor = (name: string, shape: number[]) => {
    const data = new Float32Array(elementCount(shape)).fill(0.5);
    return { name, shape, data };
  };
  const path = temporary.path('other.safetensors');

  test('a ResNet is recognized', async () => {
    const second = tensor('layer1.0.conv1.weight', [64, 64, 3, 3]);
    await writeSafetensors(path, [tensor('conv1.weight', [64, 3, 7, 7]), second]);
    await refused(read(path), /ResNet/, path);
  });

  test('AlexNet and others under torchvision’s names are refused by their shapes', async () => {
    const first = [tensor('features.0.weight', [64, 3, 11, 11]), tensor('features.0.bias', [64])];
    await writeSafetensors(path, [...first, tensor('features.3.weight', [192, 64, 5, 5])]);
    await refused(read(path), /not a network of Table 1/);
  });

  test('a wrong shape is named with both shapes', async () => {
    const { tensors } = await readSafetensors(fixture('timm-d.safetensors'));
    const cases: [name: string, shape: number[], ...messages: RegExp[]][] = [
      ['features.5.weight', [2, 2, 3, 3], /features\.5\.weight|conv2_1/, /2×1×3×3/, /2×2×3×3/],
      ['pre_logits.fc2.weight', [64, 63, 1, 1], /pre_logits\.fc2\.weight is 64×63×1×1/, /64 inputs/],
      ['head.fc.bias', [6], /head\.fc\.bias is 6/, /5 values/],
      ['features.0.weight', [1, 3, 3, 2], /features\.0\.weight is 1×3×3×2/],
    ];
    for (const [name, shape, ...messages] of cases) {
      await writeSafetensors(path, new Map(tensors).set(name, tensor(name, shape)).values());
      await refused(read(path), ...messages);
    }
  });

  test('weights that are not finite are named', async () => {
    const { tensors } = await readSafetensors(fixture('timm-d.safetensors'));
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      tensors.get('features.7.weight')!.data[5] = value;
      await writeSafetensors(path, tensors.values());
      await refused(read(path), /features\.7\.weight holds (NaN|Infinity) at element 5/);
    }
  });

  test('a file with several networks needs --prefix', async () => {
    const { tensors } = await readSafetensors(fixture('timm-d.safetensors'));
    const named = (prefix: string) =>
      [...tensors.values()].map((one) => ({ ...one, name: prefix + one.name }));
    await writeSafetensors(path, [...named('model.'), ...named('ema.')]);
    await refused(read(path), /"ema\."/, /"model\."/, /--prefix/);
    const { model } = await readModelWithReport(path, { convention: 'torchvision', prefix: 'ema' });
    assert.equal(model.network.configuration, 'D');
  });
});
