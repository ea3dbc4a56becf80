import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { projectFolder } from '../../src/core/project.ts';

// The set-up is plain JavaScript outside the compiled tree: it is run, or imported, from where it lies.
const script = join(projectFolder, 'scripts/setup.mjs');
const folder = mkdtempSync(join(tmpdir(), 'verydeep-setup-'));
after(() => rmSync(folder, { recursive: true }));

function load<Exports>(name: string): Promise<Exports> {
  return import(pathToFileURL(join(projectFolder, 'scripts/setup', name)).href) as Promise<Exports>;
}

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
  it('explains itself, and refuses options it does not know', () => {
    const help = setUp(['--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /--demo[\s\S]*--build-only/);
    const wrong = setUp(['--dmeo']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /--dmeo/);
  });

  it('leaves a machine alone that has everything', () => {
    const { status, stderr } = setUp([]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^system packages … present$/m);
    assert.match(stderr, /^npm packages … present$/m);
    assert.match(stderr, /^native addon … up to date$/m);
  });

  it('says what to install where it may not', () => {
    const { status, stderr } = setUp([], { PATH: join(folder, 'nothing-here') });
    assert.equal(status, 1);
    assert.match(stderr, /lacks a C\+\+ compiler, CMake, make or ninja/);
    assert.match(stderr, /sudo apt-get install g\+\+ cmake make/);
    assert.match(stderr, /sudo dnf install gcc-c\+\+ cmake make/);
    assert.match(stderr, /brew install .*cmake/);
  });
});

describe("package.json's range of Node versions", async () => {
  const { checkNode } = await load<{ checkNode(version: string, platform?: string): void }>(
    'node-version.mjs',
  );
  for (const version of ['20.19.0', '20.20.2', '22.12.0', '24.0.0', '25.1.0']) {
    it(`has ${version} in it`, () => checkNode(version, 'linux'));
  }
  for (const version of ['18.20.4', '20.18.9', '21.7.0', '22.11.0', '23.5.0']) {
    it(`has ${version} outside`, () =>
      assert.throws(() => checkNode(version, 'linux'), /needs Node 20 .*, but this is Node/));
  }
  it('leads Windows to WSL', () => assert.throws(() => checkNode('22.12.0', 'win32'), /WSL/));
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
      const { takeLock } = await import(${JSON.stringify(pathToFileURL(join(projectFolder, 'scripts/setup/lock.mjs')).href)});
      const giveBack = await takeLock(${JSON.stringify(file)}, { poll: 5 });
      appendFileSync(${JSON.stringify(log)}, 'in\\n');
      await new Promise((resolve) => setTimeout(resolve, 30));
      appendFileSync(${JSON.stringify(log)}, 'out\\n');
      giveBack();`;
    const exits = Array.from({ length: 4 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '-e', worker], { stdio: 'ignore' });
      return new Promise((resolve) => child.on('close', resolve));
    });
    assert.deepEqual(await Promise.all(exits), [0, 0, 0, 0]);
    assert.equal(readFileSync(log, 'utf8'), 'in\nout\n'.repeat(4));
    assert.ok(!existsSync(file));
  });

  it('is taken over from a process that is gone', async () => {
    const gone = spawnSync(process.execPath, ['-p', 'process.pid + " " + os.hostname()'], {
      encoding: 'utf8',
    });
    const [pid, host] = gone.stdout.trim().split(' ');
    const file = write('stale.lock', JSON.stringify({ pid: Number(pid), started: '1', host }));
    (await takeLock(file, { patience: 0 }))();
    assert.ok(!existsSync(file));
  });

  it('is waited for in vain while its process lives', async () => {
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

  it('asks for what this system needs, and for nothing else', () => {
    const same = project('same', complete);
    assert.equal(mismatch(same, machine), undefined);
    assert.equal(mismatch(same, { ...machine, cpu: 'arm64' }), 'node_modules/a-arm64 is missing');
  });

  it('sees an old version, a missing and a surplus package', () => {
    const old = { ...complete, 'node_modules/a': { ...a, version: '0.9.0' } };
    assert.equal(mismatch(project('old', old), machine), 'node_modules/a is 0.9.0, not 1.0.0');
    assert.equal(
      mismatch(project('less', { 'node_modules/a': a }), machine),
      'node_modules/a-x64 is missing',
    );
    const more = { ...complete, 'node_modules/b': { version: '1.0.0' } };
    assert.equal(mismatch(project('more', more), machine), 'node_modules/b is not in package-lock.json');
  });
});

describe('the compiled tree', async () => {
  const { removeStaleOutputs } = await load<{ removeStaleOutputs(folder: string): void }>('typescript.mjs');

  it('loses the outputs of deleted sources and keeps the others', () => {
    write('tree/test/kept.test.ts', '');
    const notes = write('tree/dist/tsconfig.tsbuildinfo', '{}');
    const endings = ['.test.js', '.test.js.map', '.test.d.ts'];
    const kept = endings.map((ending) => write(`tree/dist/test/kept${ending}`, ''));
    const stale = endings.map((ending) => write(`tree/dist/test/unit/deleted${ending}`, ''));
    write('tree/src/start.cts', '');
    const commonJsEndings = ['.cjs', '.cjs.map', '.d.cts'];
    kept.push(...commonJsEndings.map((ending) => write(`tree/dist/src/start${ending}`, '')));
    stale.push(...commonJsEndings.map((ending) => write(`tree/dist/src/gone${ending}`, '')));
    removeStaleOutputs(join(folder, 'tree'));
    assert.deepEqual(
      kept.map(existsSync),
      kept.map(() => true),
    );
    assert.deepEqual(
      stale.map(existsSync),
      stale.map(() => false),
    );
    assert.ok(existsSync(notes));
  });

  it('is compiled anew where an output is missing', () => {
    write('gap/src/a.ts', '');
    const notes = write('gap/dist/tsconfig.tsbuildinfo', '{}');
    removeStaleOutputs(join(folder, 'gap'));
    assert.ok(!existsSync(notes));
  });
});
