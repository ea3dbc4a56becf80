import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectFolder } from '../../src/core/project.ts';
import { range } from '../support/lists.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

// The set-up is plain JavaScript outside the compiled tree, so the tests run or import its source files.
const script = join(projectFolder, 'scripts/setup.mjs');
const { folder } = new TemporaryFolder();

const urlOf = (name: string) => pathToFileURL(join(projectFolder, 'scripts/setup', name)).href;
const load = <Exports>(name: string) => import(urlOf(name)) as Promise<Exports>;

function setUp(args: string[], environment: NodeJS.ProcessEnv = process.env) {
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env: environment });
}

function write(path: string, content: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

describe('scripts/setup.mjs', () => {
  it('has a help text, and refuses unknown options', () => {
    const help = setUp(['--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /--demo[\s\S]*--build-only/);
    const wrong = setUp(['--dmeo']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /--dmeo/);
  });

  it('changes nothing on a machine that has everything', () => {
    // Other tests run what is compiled, so it must not be written again.
    const compiled = join(projectFolder, 'dist/src/cli/main.js');
    const before = statSync(compiled).mtimeMs;
    const { status, stderr } = setUp([]);
    assert.equal(status, 0, stderr);
    assert.equal(statSync(compiled).mtimeMs, before);
    for (const part of ['system packages … present', 'npm packages … present', 'native addon … up to date']) {
      assert.match(stderr, new RegExp(`^${part}$`, 'm'));
    }
  });

  it('lists the packages to install when it may not install them', () => {
    const { status, stderr } = setUp([], { PATH: join(folder, 'nothing-here') });
    assert.equal(status, 1);
    assert.match(stderr, /lacks a C\+\+ compiler, CMake, make or ninja/);
    assert.match(stderr, /sudo apt-get install g\+\+ cmake make/);
    assert.match(stderr, /sudo dnf install gcc-c\+\+ cmake make/);
    assert.match(stderr, /brew install .*cmake/);
  });
});

describe("package.json's range of Node versions", async () => {
  type Exports = { checkNode(version: string, platform?: string): void };
  const { checkNode } = await load<Exports>('node-version.mjs');
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '24.0.0', '25.1.0']) {
    it(`includes ${version}`, () => checkNode(version, 'linux'));
  }
  for (const version of ['18.20.4', '20.18.9', '21.7.0', '22.11.0', '23.5.0']) {
    it(`excludes ${version}`, () =>
      assert.throws(() => checkNode(version, 'linux'), /needs Node 20 .*, but this is Node/));
  }
  it('refers Windows to WSL', () => assert.throws(() => checkNode('22.12.0', 'win32'), /WSL/));
});

describe('the lock of the set-up', async () => {
  const { takeLock } = await load<{
    takeLock(file: string, options?: { patience?: number; poll?: number }): Promise<() => void>;
  }>('lock.mjs');

  it('is held by one process at a time', async () => {
    const file = join(folder, 'busy.lock');
    const log = write('busy.log', '');
    // Each writes when it enters and when it leaves; the words must never interleave.
    const worker = `
      import { appendFileSync } from 'node:fs';
      const { takeLock } = await import(${JSON.stringify(urlOf('lock.mjs'))});
      const giveBack = await takeLock(${JSON.stringify(file)}, { poll: 5 });
      appendFileSync(${JSON.stringify(log)}, 'in\\n');
      await new Promise((resolve) => setTimeout(resolve, 30));
      appendFileSync(${JSON.stringify(log)}, 'out\\n');
      giveBack();`;
    const args = ['--input-type=module', '-e', worker];
    const children = range(4).map(() => spawn(process.execPath, args, { stdio: 'ignore' }));
    const exits = await Promise.all(children.map((child) => once(child, 'close')));
    assert.deepEqual(exits, Array(4).fill([0, null]));
    assert.equal(readFileSync(log, 'utf8'), 'in\nout\n'.repeat(4));
    assert.ok(!existsSync(file));
  });

  it('is taken over from a process that is gone', async () => {
    const { pid } = spawnSync('true');
    const file = write('stale.lock', JSON.stringify({ pid, started: '1', host: hostname() }));
    (await takeLock(file, { patience: 0 }))();
    assert.ok(!existsSync(file));
  });

  it('is not taken over from a running process', async () => {
    const file = join(folder, 'held.lock');
    const giveBack = await takeLock(file);
    await assert.rejects(takeLock(file, { patience: 20, poll: 5 }), /still holds .*held\.lock/);
    giveBack();
  });
});

describe('the comparison of node_modules with package-lock.json', async () => {
  const { mismatch } = await load<{
    mismatch(folder: string, machine: { os: string; cpu: string; libc: string }): string | undefined;
  }>('node-packages.mjs');
  const machine = { os: 'linux', cpu: 'x64', libc: 'glibc' };
  const packages = {
    'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
    'node_modules/a-x64': { version: '1.0.0', optional: true, os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
    'node_modules/a-arm64': { version: '1.0.0', optional: true, os: ['linux'], cpu: ['arm64'] },
    'node_modules/helper': { version: '1.0.0', optional: true },
  };

  function project(name: string, installed: Record<string, object>) {
    write(`${name}/package-lock.json`, JSON.stringify({ packages: { '': {}, ...packages } }));
    write(`${name}/node_modules/.package-lock.json`, JSON.stringify({ packages: installed }));
    for (const path of Object.keys(installed)) mkdirSync(join(folder, name, path), { recursive: true });
    return join(folder, name);
  }
  const { 'node_modules/a': a, 'node_modules/a-x64': forX64 } = packages;
  const complete = { 'node_modules/a': a, 'node_modules/a-x64': forX64 };

  it('requires the packages for this system only', () => {
    const same = project('same', complete);
    assert.equal(mismatch(same, machine), undefined);
    assert.equal(mismatch(same, { ...machine, cpu: 'arm64' }), 'node_modules/a-arm64 is missing');
  });

  it('finds an old version, a missing and a surplus package', () => {
    for (const [name, installed, expected] of [
      ['old', { ...complete, 'node_modules/a': { ...a, version: '0.9.0' } }, 'a is 0.9.0, not 1.0.0'],
      ['less', { 'node_modules/a': a }, 'a-x64 is missing'],
      ['more', { ...complete, 'node_modules/b': { version: '1.0.0' } }, 'b is not in package-lock.json'],
    ] as const) {
      assert.equal(mismatch(project(name, installed), machine), `node_modules/${expected}`);
    }
  });
});

describe('the compiled tree', async () => {
  const { removeStaleOutputs } = await load<{ removeStaleOutputs(folder: string): void }>('typescript.mjs');

  it('loses the outputs of deleted sources and keeps the others', () => {
    for (const source of ['test/kept.test.ts', 'src/start.cts', 'test/old/node_modules/package/index.d.ts']) {
      write(`tree/${source}`, '');
    }
    const notes = write('tree/dist/tsconfig.tsbuildinfo', '{}');
    const outputs = (stem: string, ...endings: string[]) =>
      endings.map((ending) => write(`tree/dist/${stem}${ending}`, ''));
    const modules = ['.test.js', '.test.js.map', '.test.d.ts'];
    const commonJs = ['.cjs', '.cjs.map', '.d.cts'];
    const kept = [...outputs('test/kept', ...modules), ...outputs('src/start', ...commonJs)];
    const stale = [...outputs('test/unit/deleted', ...modules), ...outputs('src/gone', ...commonJs)];
    removeStaleOutputs(join(folder, 'tree'));
    for (const file of [...kept, notes]) assert.ok(existsSync(file), file);
    for (const file of stale) assert.ok(!existsSync(file), file);
  });

  it('is compiled again when an output is missing', () => {
    write('gap/src/a.ts', '');
    const notes = write('gap/dist/tsconfig.tsbuildinfo', '{}');
    removeStaleOutputs(join(folder, 'gap'));
    assert.ok(!existsSync(notes));
  });
});
