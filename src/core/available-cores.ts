/**
 * The number of cores that this process can keep busy. A container's CPU quota (Docker's --cpus, a Kubernetes limit)
 * does not change the affinity that Node reports: with more threads than the quota pays for, the kernel stops all of
 * them for part of every period.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, relative } from 'node:path';

/** Reads a text file; undefined if that is not possible. */
type ReadText = (path: string) => string | undefined;

const readText: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

let found: { readonly quota: number | undefined; readonly cores: number } | undefined;

/** The cores of the process's affinity, or as many as its CPU quota pays for, rounded up, if those are fewer. */
export function availableCores(): number {
  return facts().cores;
}

/** The CPU quota of this process's cgroups, in cores; undefined if there is none. */
export function cpuQuota(): number | undefined {
  return facts().quota;
}

function facts() {
  if (found === undefined) {
    const quota = quotaOfCgroups(readText);
    found = { quota, cores: Math.min(availableParallelism(), Math.max(1, Math.ceil(quota ?? Infinity))) };
  }
  return found;
}

/**
 * The smallest quota of the process's cgroup and those around it, in cores. Files: `cpu.max` of cgroup v2,
 * `cpu.cfs_quota_us` of v1; see cgroups(7), proc(5) and the kernel's cgroup-v2.rst.
 * @param read replaced in tests
 */
export function quotaOfCgroups(read: ReadText): number | undefined {
  const mounts = (read('/proc/self/mountinfo') ?? '').split('\n').map(parseMount);
  const quotas = (read('/proc/self/cgroup') ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    const version = controllers === '' ? 2 : controllers!.split(',').includes('cpu') ? 1 : undefined;
    const mount = mounts.find((mount) => version !== undefined && mount?.version === version);
    if (mount === undefined) return [];
    return foldersOf(mount, path).flatMap((folder) => quotaOf(read, folder, mount.version) ?? []);
  });
  return quotas.length > 0 ? Math.min(...quotas) : undefined;
}

interface CgroupMount {
  readonly version: 1 | 2;
  /** The cgroup that is mounted: in a container often that of the container. */
  readonly root: string;
  readonly folder: string;
}

/** `36 35 0:30 /root /folder options … - cgroup name rw,cpu,cpuacct` */
function parseMount(line: string): CgroupMount | undefined {
  const [before = '', after = ''] = line.split(' - ');
  const [type, , options = ''] = after.split(' ');
  const [, , , root = '', folder = ''] = before.split(' ').map(unescapeOctal);
  if (type === 'cgroup2') return { version: 2, root, folder };
  return type === 'cgroup' && options.split(',').includes('cpu') ? { version: 1, root, folder } : undefined;
}

function unescapeOctal(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}

/** The folders of a cgroup and of those around it, up to the one that is mounted. */
function foldersOf({ root, folder }: CgroupMount, path: string): string[] {
  const inside = relative(root, path);
  // A cgroup outside the mounted one cannot be seen; the mounted one is the closest.
  const folders = [inside.startsWith('..') ? folder : join(folder, inside)];
  while (folders.at(-1)!.length > folder.length) folders.push(dirname(folders.at(-1)!));
  return folders;
}

function quotaOf(read: ReadText, folder: string, version: 1 | 2): number | undefined {
  const [quota, period] =
    version === 2
      ? (read(join(folder, 'cpu.max')) ?? '').split(' ').map(Number)
      : ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map((file) =>
          Number(read(join(folder, file)) ?? Number.NaN),
        );
  // v2 writes "max" and v1 −1 where there is no quota.
  return quota! > 0 && period! > 0 ? quota! / period! : undefined;
}
