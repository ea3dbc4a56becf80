import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { availableParallelism, platform } from 'node:os';
import { describe, it } from 'node:test';

const cores = availableParallelism();

/** The cores to which a process with such a backend has pinned threads, one for each pinned thread. */
function keptCores(threads: number): string[] {
  const script = `
    const { readFileSync, readdirSync } = await import('node:fs');
    const { createNativeBackend } = await import(${JSON.stringify(
      new URL('../../src/kernels/native/native-backend.js', import.meta.url).href,
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
  it('as many threads as cores are pinned to one each, and no other thread is pinned', () => {
    const kept = keptCores(cores);
    assert.equal(kept.length, cores);
    assert.equal(new Set(kept).size, cores);
  });

  it('fewer or more threads are not pinned', () => {
    for (const threads of [cores - 1, cores + 1]) assert.deepEqual(keptCores(threads), []);
  });
});

function skipReason(): string | false {
  if (platform() !== 'linux') return 'only Linux lets a thread be bound to a core';
  return cores < 2 ? 'there is one core' : false;
}
