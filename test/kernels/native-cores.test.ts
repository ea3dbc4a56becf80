import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism, platform } from 'node:os';
import { describe, it } from 'node:test';

const cores = availableParallelism();

/** The core of each pinned thread, in a process with a backend of this many threads. */
function keptCores(threads: number): string[] {
  const script = `
    const { readFileSync, readdirSync } = await import('node:fs');
    const { createNativeBackend } = await import(${JSON.stringify(
      new URL('../../src/kernels/native/open-native.js', import.meta.url).href,
    )});
    const backend = createNativeBackend({ threads: ${threads} });
    const parameters = backend.createParameters([{ name: 'a', shape: [1], role: 'bias' }], { training: false });
    await parameters.read('values', 'a');
    const masks = readdirSync('/proc/self/task').map((task) =>
      /Cpus_allowed_list:\\s*(\\S+)/.exec(readFileSync('/proc/self/task/' + task + '/status', 'utf8'))[1]);
    process.stdout.write(JSON.stringify(masks.filter((mask) => /^\\d+$/.test(mask))));`;
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' }),
  );
}

describe('native: threads and cores', { skip: skipReason() }, () => {
  it('with as many threads as cores, each is pinned to one core, and no other thread is', () => {
    const kept = keptCores(cores);
    assert.equal(kept.length, cores);
    assert.equal(new Set(kept).size, cores);
  });

  it('fewer or more threads are not pinned', () => {
    for (const threads of [cores - 1, cores + 1]) assert.deepEqual(keptCores(threads), []);
  });
});

function skipReason(): string | false {
  if (platform() !== 'linux') return 'threads can be pinned to cores only on Linux';
  return cores < 2 ? 'this machine has one core' : false;
}
