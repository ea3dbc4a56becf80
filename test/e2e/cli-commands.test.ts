import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { commandNames } from '../../src/cli/program.ts';
import { version } from '../../src/core/project.ts';
import { readModel } from '../../src/weights/model/read-model.ts';
import { mainFile, vgg, vggWith } from './cli-process.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verydeep-cli-'));
});
after(() => rm(folder, { recursive: true }));

const small = ['--config', 'A', '--crop', '32', '--width', '0.0625'];

describe('vgg', () => {
  test('--version', async () => {
    assert.deepEqual(await vgg('--version'), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('the help of every command has an example of it', async () => {
    assert.ok(commandNames.length >= 4);
    for (const command of commandNames) {
      const { code, stdout, stderr } = await vgg(command, '--help');
      assert.equal(code, 0, stderr);
      assert.ok(stdout.includes(`$ vgg ${command}`), `${command}: ${stdout}`);
      assert.equal(stderr, '');
    }
  });

  test('without a command shows the help on stderr and exits with 2', async () => {
    const { code, stdout, stderr } = await vgg();
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /Usage: vgg/);
  });

  test('an unknown command is answered with the nearest', async () => {
    const { code, stderr } = await vgg('confgs');
    assert.equal(code, 2);
    assert.match(stderr, /unknown command 'confgs'\n\(Did you mean configs\?\)\nSee `vgg --help`/);
  });

  test('an unknown flag is answered with the nearest', async () => {
    const { code, stdout, stderr } = await vgg('configs', '--clases', '10');
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /unknown option '--clases'\n\(Did you mean --classes\?\)\nSee `vgg configs --help`/);
  });

  test('a value that makes no sense names its flag and exits with 2', async () => {
    const { code, stderr } = await vgg('configs', '--crop', '-3');
    assert.equal(code, 2);
    assert.match(stderr, /'--crop <pixels>' argument '-3' is invalid. It must be a whole number from 1/);
    const odd = await vgg('configs', '--crop', '100');
    assert.equal(odd.code, 2);
    assert.equal(odd.stderr, 'vgg: the crop must be a multiple of 32 pixels, not 100\n');
  });

  test('an error of our own is called a bug, with the place where it was for those who look', async () => {
    const preload = join(folder, 'no-memory.cjs');
    await writeFile(preload, `process.constrainedMemory = () => { throw new TypeError('out of order'); };`);
    const env = { NODE_OPTIONS: `--require ${preload}` };
    const { code, stderr } = await vggWith(env, 'doctor');
    assert.equal(code, 1);
    assert.equal(
      stderr,
      'vgg: internal error: out of order\nThis is a bug. Please report it; VERYDEEP_DEBUG=1 shows the stack trace.\n',
    );
    const traced = await vggWith({ ...env, VERYDEEP_DEBUG: '1' }, 'doctor');
    assert.match(traced.stderr, /TypeError: out of order\n +at /);
  });

  test('a reader that stops early is no error', async () => {
    const child = spawn(process.execPath, [mainFile, 'configs', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(stderr, '');
    assert.equal(code, 0);
  });
});

describe('vgg configs', () => {
  test('--json counts the parameters of Table 2 exactly', async () => {
    const { code, stdout, stderr } = await vgg('configs', '--json');
    assert.equal(code, 0);
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
    const { stdout } = await vgg('configs', '--layers', 'd', '--classes', '10', '--crop', '64', '--json');
    const [network, ...others] = JSON.parse(stdout);
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
      const sum = network.layers.reduce(
        (total: number, layer: Record<string, number>) => total + layer[key]!,
        0,
      );
      assert.equal(sum, network[key]);
    }
  });

  test('prints Tables 1 and 2 for people', async () => {
    const { stdout } = await vgg('configs');
    assert.match(stdout, /conv1-512/);
    assert.match(stdout, /138\.36/);
  });
});

describe('vgg init', () => {
  test('writes a model that can be read, the same bytes from the same seed', async () => {
    const path = join(folder, 'init.safetensors');
    const args = ['init', ...small, '--classes', '3', '--seed', '7', '--mean', '120,110,100', '--out', path];
    const { code, stdout } = await vgg(...args);
    assert.equal(code, 0);
    assert.match(stdout, /^Wrote .*init\.safetensors: network A \(3 classes, crop 32, width 0\.0625\)/);
    const model = await readModel(path);
    assert.deepEqual(model.classes, ['class0', 'class1', 'class2']);
    assert.deepEqual(model.meanRgb, [120, 110, 100]);
    assert.equal(model.provenance.seed, '7');
    assert.equal(model.tensors.get('conv1_1.weight')?.length, 4 * 3 * 9);
    const first = await readFile(path);
    assert.equal((await vgg(...args, '--force')).code, 0);
    assert.deepEqual(await readFile(path), first);
  });

  test('takes class names from a file', async () => {
    const path = join(folder, 'named.safetensors');
    const names = join(folder, 'names.txt');
    await writeFile(names, 'n02123045 tabby, tabby cat\nn02099601 golden retriever\n');
    const { code, stdout } = await vgg('init', ...small, '--classes-file', names, '--out', path, '--json');
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).classes, 2);
    assert.deepEqual((await readModel(path)).labels, ['tabby, tabby cat', 'golden retriever']);
    const contradiction = await vgg(
      'init',
      ...small,
      '--classes',
      '5',
      '--classes-file',
      names,
      '--out',
      'x.safetensors',
    );
    assert.equal(contradiction.code, 2);
    assert.match(
      contradiction.stderr,
      /--classes 5 contradicts .*names\.txt, which has 2 classes; omit --classes/,
    );
  });

  test('replaces nothing unless told to', async () => {
    const path = join(folder, 'kept.safetensors');
    await writeFile(path, 'precious');
    const { code, stdout, stderr } = await vgg('init', ...small, '--out', path);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.equal(stderr, `vgg: ${path} already exists; choose another name, or overwrite it with --force\n`);
    assert.equal(await readFile(path, 'utf8'), 'precious');
  });

  test('needs a network, a place of the right name, and a folder that is there', async () => {
    const without = await vgg('init', '--out', 'x.safetensors');
    assert.equal(without.code, 2);
    assert.match(without.stderr, /required option '--config <A\|A-LRN\|B\|C\|D\|E\|B-5x5>' not specified/);
    const wrong = await vgg('init', ...small, '--out', join(folder, 'x.bin'));
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /must end in \.safetensors/);
    const nowhere = await vgg('init', ...small, '--out', join(folder, 'none', 'x.safetensors'));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /the folder .*none does not exist; create it first/);
  });
});

describe('vgg plan', () => {
  test('--json says what training takes', async () => {
    const { code, stdout } = await vgg(
      'plan',
      '--config',
      'D',
      '--gflops',
      '500',
      '--machines',
      '1,2',
      '--json',
    );
    assert.equal(code, 0);
    const plan = JSON.parse(stdout);
    assert.equal(plan.parameters, 138_357_544);
    assert.equal(plan.gradientBytes, 4 * 138_357_544);
    assert.equal(plan.memory.length, 9);
    assert.ok(plan.time.secondsInAll > 0);
    assert.deepEqual(
      plan.scaling.map(({ machines }: { machines: number }) => machines),
      [1, 2],
    );
  });

  test('of several machines says what is sent, for D where nobody says which network', async () => {
    const { code, stdout } = await vgg('plan', '--machines', '64', '--bandwidth', '25Gb', '--json');
    assert.equal(code, 0);
    const { configuration, scaling } = JSON.parse(stdout);
    assert.equal(configuration, 'D');
    assert.equal(scaling[0].machines, 64);
    assert.equal(scaling[0].bytesSentPerStep, Math.round((2 * 63 * 4 * 138_357_544) / 64));
    const table = await vgg('plan', '--machines', '64', '--bandwidth', '25Gb');
    assert.match(table.stdout, /│ +64 │ +1\.0 GiB │/);
  });

  test('--measure times this machine', async () => {
    const args = ['plan', ...small, '--classes', '10', '--batch', '2', '--measure', '--backend', 'reference'];
    const { code, stdout, stderr } = await vgg(...args, '--json');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Timing network A/);
    assert.ok(JSON.parse(stdout).time.trainingMsPerImage > 0);
    const both = await vgg(...args, '--gflops', '3');
    assert.equal(both.code, 2);
  });
});

describe('vgg doctor', () => {
  test('says what is here, and its exit code whether anything is missing', async () => {
    const { code, stdout } = await vgg('doctor', '--json');
    const { ok, checks } = JSON.parse(stdout) as {
      ok: boolean;
      checks: { name: string; status: string; found: string; remedy?: string }[];
    };
    assert.equal(code, ok ? 0 : 1);
    assert.equal(
      ok,
      checks.every(({ status }) => status !== 'missing'),
    );
    assert.deepEqual(
      checks.map(({ name }) => name),
      ['Node', 'system', 'processor', 'memory', 'images', 'engine', 'GPU', 'cache', 'disk'],
    );
    for (const { status, found, remedy } of checks) {
      assert.ok(found.length > 0);
      assert.equal(remedy !== undefined, status !== 'ok', `${found}: ${remedy}`);
    }
    const forPeople = await vgg('doctor');
    assert.match(forPeople.stdout, /✓ Node/);
  });

  test('refuses data without ranks, which alone would check it', async () => {
    const { code, stderr } = await vgg('doctor', 'photos');
    assert.equal(code, 2);
    assert.match(stderr, /photos is only checked over ranks; add --mpi or omit it/);
  });

  test('runs where the image library does not load, and says what to do', async () => {
    const preload = join(folder, 'no-sharp.cjs');
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
