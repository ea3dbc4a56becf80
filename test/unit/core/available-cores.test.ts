import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { quotaOfCgroups } from '../../../src/core/available-cores.ts';

const V2 = '30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw';
const V1 = '33 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct';

function quota(cgroup: string, mountinfo: string, files: Record<string, string> = {}) {
  const all: Record<string, string> = {
    '/proc/self/cgroup': cgroup,
    '/proc/self/mountinfo': mountinfo,
    ...files,
  };
  return quotaOfCgroups((path) => all[path]);
}

describe('the CPU quota', () => {
  it('of cgroup v2 is the smallest of the nested groups', () => {
    const files = {
      '/sys/fs/cgroup/pod/cpu.max': '150000 100000\n',
      '/sys/fs/cgroup/pod/job/cpu.max': 'max 100000\n',
    };
    assert.equal(quota('0::/pod/job\n', V2, files), 1.5);
    assert.equal(
      quota('0::/pod/job\n', V2, { ...files, '/sys/fs/cgroup/pod/job/cpu.max': '50000 100000' }),
      0.5,
    );
    // Inside a cgroup namespace.
    assert.equal(quota('0::/\n', V2, { '/sys/fs/cgroup/cpu.max': '400000 100000' }), 4);
  });

  it('of cgroup v1 is that of the cpu controller', () => {
    const folder = '/sys/fs/cgroup/cpu,cpuacct';
    const files = {
      [`${folder}/a/cpu.cfs_quota_us`]: '250000\n',
      [`${folder}/a/cpu.cfs_period_us`]: '100000\n',
      [`${folder}/a/b/cpu.cfs_quota_us`]: '-1\n',
      [`${folder}/a/b/cpu.cfs_period_us`]: '100000\n',
    };
    assert.equal(quota('5:memory:/x\n4:cpu,cpuacct:/a/b\n0::/\n', V1, files), 2.5);
    assert.equal(quota('3:cpuset:/a\n', V1, files), undefined);
  });

  it('is found where a container sees only its own group, under the path that the host gives it', () => {
    const mount = '700 690 0:28 /docker/abc /sys/fs/cgroup/cpu\\040x ro - cgroup cgroup rw,cpu';
    const files = {
      '/sys/fs/cgroup/cpu x/cpu.cfs_quota_us': '300000',
      '/sys/fs/cgroup/cpu x/cpu.cfs_period_us': '100000',
    };
    for (const path of ['/docker/abc', '/docker/abc/inner', '/elsewhere', '/../other']) {
      assert.equal(quota(`4:cpu:${path}\n`, mount, files), 3, path);
    }
  });

  it('is undefined without cgroups, and for any text', () => {
    assert.equal(
      quotaOfCgroups(() => undefined),
      undefined,
    );
    assert.equal(quota('0::/\n', V2), undefined);
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (cgroup, mounts, max) => {
        const found = quota(`0::/${cgroup}`, `${V2}\n${mounts}`, { '/sys/fs/cgroup/cpu.max': max });
        assert.ok(found === undefined || found > 0);
      }),
    );
  });
});
