import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { writeFileAtomically } from '../../../src/core/atomic-file.ts';
import { refused } from '../../support/refused.ts';

const atomicFile = new URL('../../../src/core/atomic-file.js', import.meta.url).href;

/** A program that writes a megabyte over the file of its first argument and prints the error, if any. */
const WRITE_A_MEGABYTE = `
  const { writeFileAtomically } = await import('${atomicFile}');
  await writeFileAtomically(process.argv[1], new Uint8Array(1e6)).catch((error) => console.log(error.message));
`;

describe('writeFileAtomically', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'verydeep-atomic-'));
    path = join(folder, 'model.bin');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const onlyTheOldFile = () => {
    assert.equal(readFileSync(path, 'utf8'), 'old');
    assert.deepEqual(readdirSync(folder), ['model.bin']);
  };

  it('writes text, bytes and chunks, also over an old file', async () => {
    await writeFileAtomically(path, 'Grüße');
    assert.equal(readFileSync(path, 'utf8'), 'Grüße');
    await writeFileAtomically(path, Uint8Array.of(1, 2));
    assert.deepEqual([...readFileSync(path)], [1, 2]);
    await writeFileAtomically(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
    assert.deepEqual([...readFileSync(path)], [3, 4, 5]);
    assert.deepEqual(readdirSync(folder), ['model.bin']);
  });

  it('keeps the old file when the content fails midway', async () => {
    writeFileSync(path, 'old');
    function* breaksOff() {
      yield Uint8Array.of(1);
      throw new Error('the weights ran out');
    }
    const write = writeFileAtomically(path, breaksOff());
    await refused(write, /model\.bin could not be written: the weights ran out/);
    onlyTheOldFile();
  });

  it('reports that the folder is missing', async () => {
    const missing = join(folder, 'nowhere', 'model.bin');
    await assert.rejects(writeFileAtomically(missing, 'x'), /its folder does not exist; create it first/);
  });

  it('keeps the old file when it would grow past the limit of the system (ulimit -f)', (t) => {
    if (process.platform === 'win32') return t.skip('Windows has no such limit');
    writeFileSync(path, 'old');
    // 8 blocks of 512 or 1024 bytes.
    const command = 'ulimit -f 8; exec "$0" --input-type=module -e "$1" "$2"';
    const args = ['-c', command, process.execPath, WRITE_A_MEGABYTE, path];
    const child = spawnSync('sh', args, { encoding: 'utf8' });
    assert.match(child.stdout, /larger than the system allows/, child.stderr);
    onlyTheOldFile();
  });

  it('keeps the old file when the disk is full', (t) => {
    // A disk of 64 KiB in a separate namespace, which needs no privileges and leaves nothing behind.
    const mount = 'mount -t tmpfs -o size=64k verydeep "$2" && printf old > "$2/model.bin"';
    const write = '"$0" --input-type=module -e "$1" "$2/model.bin"; cat "$2/model.bin"; ls -A "$2"';
    const command = `${mount} && { ${write}; }`;
    const args = ['-rm', 'sh', '-c', command, process.execPath, WRITE_A_MEGABYTE, folder];
    const child = spawnSync('unshare', args, { encoding: 'utf8' });
    if (child.error || child.status !== 0) {
      return t.skip(
        `this system does not allow mounting a small disk: ${child.error?.message ?? child.stderr.trim()}`,
      );
    }
    assert.match(child.stdout, /the disk is full; free some space.*\noldmodel\.bin\n$/);
  });

  it('keeps the old file when the process is killed in the middle', async () => {
    writeFileSync(path, 'old');
    const program = `
      const { writeFileAtomically } = await import('${atomicFile}');
      function* chunks() {
        for (;;) {
          yield new Uint8Array(1e5);
          process.stdout.write('.');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        }
      }
      await writeFileAtomically(process.argv[1], chunks());
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.once('data', () => child.kill('SIGKILL'));
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
    assert.equal(readFileSync(path, 'utf8'), 'old');
  });
});
