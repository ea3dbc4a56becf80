import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { commandNames } from '../../src/cli/program.ts';
import { version } from '../../src/core/project.ts';
import { readModel } from '../../src/weights/model/read-model.ts';
import { writeFiles } from '../support/images.ts';
import { pluck } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { failed, jsonOf, outcomeOf, startVgg, succeeded, vgg, vggWith, words } from './cli-process.ts';
import { writePhotos } from './training-runs.ts';

const work = new TemporaryFolder();
const small = words`--config A --crop 32 --width 0.0625`;

describe('vgg', () => {
  test('--version', async () => {
    assert.deepEqual(await vgg('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('the help of every command is 80 columns wide and has an example of it', async () => {
    assert.ok(commandNames.length >= 4);
    for (const command of commandNames) {
      const { stdout, stderr } = await succeeded(vgg(command, '--help'));
      assert.ok(stdout.includes(`$ vgg ${command}`), `${command}: ${stdout}`);
      const lines = stdout.split('Examples:')[0]!.split('\n');
      for (const line of lines) assert.ok(line.length <= 80, line);
      assert.equal(stderr, '');
    }
  });

  test('without a command shows the help on stderr and exits with 2', async () => {
    await failed(vgg(), 2, /Usage: vgg/);
  });

  test('an unknown command is answered with the most similar one', async () => {
    const suggestion = /unknown command 'confgs'\n\(Did you mean configs\?\)\nSee `vgg --help`/;
    await failed(vgg('confgs'), 2, suggestion);
  });

  test('an unknown flag is answered with the most similar one', async () => {
    const suggestion = /unknown option '--clases'\n\(Did you mean --classes\?\)\nSee `vgg configs --help`/;
    await failed(vgg`configs --clases 10`, 2, suggestion);
  });

  test('an invalid value is reported with its flag, and exits with 2', async () => {
    const { code, stderr } = await vgg('configs', '--crop', '-3');
    assert.equal(code, 2);
    assert.match(stderr, /'--crop <pixels>' argument '-3' is invalid. It must be a whole number, at least 1/);
    const odd = await vgg('configs', '--crop', '100');
    assert.equal(odd.code, 2);
    assert.equal(odd.stderr, 'vgg: the crop must be a multiple of 32 pixels, not 100\n');
  });

  test('an internal error is reported as a bug, with a stack trace on request', async () => {
    const preload = work.path('no-memory.cjs');
    await writeFile(preload, `process.constrainedMemory = () => { throw new TypeError('out of order'); };`);
    const env = { NODE_OPTIONS: `--require ${preload}` };
    const { code, stderr } = await vggWith(env, 'doctor');
    const bug = 'This is a bug. Please report it; VERYDEEP_DEBUG=1 shows the stack trace.';
    assert.deepEqual([code, stderr], [1, `vgg: internal error: out of order\n${bug}\n`]);
    const traced = await vggWith({ ...env, VERYDEEP_DEBUG: '1' }, 'doctor');
    assert.match(traced.stderr, /TypeError: out of order\n +at /);
  });

  test('a reader that stops early is not an error', async () => {
    const child = startVgg({}, 'configs', '--json');
    child.stdout!.destroy();
    assert.deepEqual(await outcomeOf(child), { code: 0, stdout: '', stderr: '' });
  });
});

describe('vgg configs', () => {
  test('--json counts the parameters of Table 2 exactly', async () => {
    const { stdout, stderr } = await succeeded(vgg('configs', '--json'));
    assert.equal(stderr, '');
    const networks = JSON.parse(stdout) as { name: string; weightLayers: number; parameters: number }[];
    const counts = networks.map(({ name, weightLayers, parameters }) => [name, weightLayers, parameters]);
    assert.deepEqual(counts.slice(0, 6), [
      ['A', 11, 132_863_336],
      ['A-LRN', 11, 132_863_336],
      ['B', 13, 133_047_848],
      ['C', 16, 133_638_952],
      ['D', 16, 138_357_544],
      ['E', 19, 143_667_240],
    ]);
  });

  test('--json gives each layer with shape, costs and receptive field, which add up', async () => {
    const [network, ...others] = await jsonOf(vgg`configs --layers d --classes 10 --crop 64 --json`);
    assert.deepEqual(others, []);
    assert.deepEqual(network.layers[0], {
      name: 'conv1_1',
      kind: 'convolution',
      outputShape: [1, 64, 64, 64],
      parameters: 1792,
      multiplyAdds: 64 * 64 * 64 * 27,
      receptiveField: { side: 3, stride: 1 },
    });
    assert.deepEqual(network.layers.at(-1).outputShape, [1, 10, 1, 1]);
    for (const key of ['parameters', 'multiplyAdds']) {
      const sum = pluck(network.layers, key).reduce((a: number, b: number) => a + b);
      assert.equal(sum, network[key]);
    }
  });

  test('prints Tables 1 and 2', async () => {
    const { stdout } = await vgg('configs');
    assert.match(stdout, /conv1-512/);
    assert.match(stdout, /138\.36/);
  });
});

describe('vgg init', () => {
  test('writes a model that can be read, the same bytes from the same seed', async () => {
    const path = work.path('init.safetensors');
    const args = words`init ${small} --classes 3 --seed 7 --mean 120,110,100 --out ${path}`;
    const { stdout } = await succeeded(vgg(...args));
    assert.match(stdout, /^Wrote .*init\.safetensors: network A \(3 classes, crop 32, width 0\.0625\)/);
    const model = await readModel(path);
    assert.deepEqual(model.classes, ['class0', 'class1', 'class2']);
    assert.deepEqual(model.meanRgb, [120, 110, 100]);
    assert.equal(model.provenance.seed, '7');
    assert.equal(model.tensors.get('conv1_1.weight')?.length, 4 * 3 * 9);
    const first = await readFile(path);
    await succeeded(vgg(...args, '--force'));
    assert.deepEqual(await readFile(path), first);
  });

  test('reads class names from a file', async () => {
    const [path, names] = [work.path('named.safetensors'), work.path('names.txt')];
    await writeFile(names, 'n02123045 tabby, tabby cat\nn02099601 golden retriever\n');
    const written = await jsonOf(vgg`init ${small} --classes-file ${names} --out ${path} --json`);
    assert.equal(written.classes, 2);
    assert.deepEqual((await readModel(path)).labels, ['tabby, tabby cat', 'golden retriever']);
    const contradiction = /--classes 5 contradicts .*names\.txt, which has 2 classes; omit --classes/;
    const init = vgg`init ${small} --classes 5 --classes-file ${names} --out x.safetensors`;
    await failed(init, 2, contradiction);
  });

  test('overwrites nothing without --force', async () => {
    const path = work.path('kept.safetensors');
    await writeFile(path, 'precious');
    const { stderr } = await failed(vgg`init ${small} --out ${path}`, 1, /already exists/);
    assert.equal(stderr, `vgg: ${path} already exists; choose another name, or overwrite it with --force\n`);
    assert.equal(await readFile(path, 'utf8'), 'precious');
  });

  test('needs a network, the right extension, and an existing folder', async () => {
    const missing = /required option '--config <A\|A-LRN\|B\|C\|D\|E\|B-5x5>' not specified/;
    await failed(vgg`init --out x.safetensors`, 2, missing);
    await failed(vgg`init ${small} --out ${work.path('x.bin')}`, 2, /must end in \.safetensors/);
    const nowhere = vgg`init ${small} --out ${work.path('none', 'x.safetensors')}`;
    await failed(nowhere, 1, /the folder .*none does not exist; create it first/);
  });
});

describe('vgg plan', () => {
  test('--json gives the cost of training', async () => {
    const plan = await jsonOf(vgg`plan --config D --gflops 500 --machines 1,2 --json`);
    assert.equal(plan.parameters, 138_357_544);
    assert.equal(plan.gradientBytes, 4 * 138_357_544);
    assert.equal(plan.memory.length, 9);
    assert.ok(plan.time.secondsInAll > 0);
    assert.deepEqual(pluck(plan.scaling, 'machines'), [1, 2]);
  });

  test('of several machines gives the bytes sent, by default for D', async () => {
    const { configuration, scaling } = await jsonOf(vgg`plan --machines 64 --bandwidth 25Gb --json`);
    assert.equal(configuration, 'D');
    assert.equal(scaling[0].machines, 64);
    assert.equal(scaling[0].bytesSentPerStep, Math.round((2 * 63 * 4 * 138_357_544) / 64));
    const { stdout } = await vgg`plan --machines 64 --bandwidth 25Gb`;
    assert.match(stdout, /│ +64 │ +1\.0 GiB │/);
  });

  test('--measure times this machine', async () => {
    const args = words`plan ${small} --classes 10 --batch 2 --measure --backend reference`;
    const { stdout, stderr } = await succeeded(vgg(...args, '--json'));
    assert.match(stderr, /Timing network A/);
    assert.ok(JSON.parse(stdout).time.trainingMsPerImage > 0);
    assert.equal((await vgg(...args, '--gflops', '3')).code, 2);
  });
});

describe('vgg doctor', () => {
  test('lists what this machine has, and fails if anything is missing', async () => {
    const { code, stdout } = await vgg('doctor', '--json');
    const { ok, checks } = JSON.parse(stdout) as {
      ok: boolean;
      checks: { name: string; status: string; found: string; remedy?: string }[];
    };
    assert.equal(code, ok ? 0 : 1);
    assert.equal(ok, !pluck(checks, 'status').includes('missing'));
    const names = ['Node', 'system', 'processor', 'memory', 'images', 'backend', 'GPU', 'cache', 'disk'];
    assert.deepEqual(pluck(checks, 'name'), names);
    for (const { status, found, remedy } of checks) {
      assert.ok(found.length > 0);
      assert.equal(remedy !== undefined, status !== 'ok', `${found}: ${remedy}`);
    }
    const forPeople = await vgg('doctor');
    assert.match(forPeople.stdout, /✓ Node/);
  });

  test('checks a data set: classes, unusable files, split, and the time of training', async () => {
    const photos = work.path('photos');
    await writePhotos(photos);
    await writeFiles(photos, { 'train/cat/broken.jpg': 'not an image', 'train/dog/notes.docx': '' });
    const { checks } = await jsonOf(
      vggWith({ XDG_CACHE_HOME: work.path('cache') }, 'doctor', photos, '--json'),
    );
    const found = Object.fromEntries(
      checks.map((one: { name: string; found: string }) => [one.name, one.found]),
    );
    assert.equal(found.classes, '3: cat 8, dog 8, owl 8');
    assert.match(found.split, /^24 training images, 12 validation images, median smaller side 3\d px$/);
    assert.equal(found.files, 'not used: 1 .docx');
    assert.match(
      found.training,
      /^about .* per epoch, .* for \d+ epochs \(network A, width 0.25, crop 32, batch size 8\)/,
    );
    assert.ok(
      checks.some((one: { found: string }) => /^1 of 25 training images cannot be read/.test(one.found)),
    );
    await failed(vgg`doctor ${photos}-2`, 1, /photos-2 does not exist/);
  });

  test('runs even if the image library does not load, and names the remedy', async () => {
    const preload = work.path('no-sharp.cjs');
    await writeFile(
      preload,
      // Some versions of npm install sharp's WebAssembly build too, so refusing native libraries would not do.
      `const { Module } = require('node:module');
      const load = Module._load;
      Module._load = (request, ...rest) => {
        if (request.startsWith('@img/sharp-')) throw new Error('no such library');
        return load(request, ...rest);
      };`,
    );
    const { code, stdout } = await vggWith({ NODE_OPTIONS: `--require ${preload}` }, 'doctor');
    assert.equal(code, 1);
    assert.match(stdout, /✗ images +sharp fails to load.*\n +→ .*npm ci/);
  });
});
