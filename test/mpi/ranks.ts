/** Starts real ranks with mpirun, on this machine only. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mpiAddonFile } from '../../src/comm/mpi-addon.ts';
import { mainFile, type Outcome, outcomeOf } from '../e2e/cli-process.ts';

/**
 * Settings for both generations of Open MPI, and for MPICH. Open MPI 5 does not accept a setting for the loopback as the
 * network that controls its ranks; it uses the loopback where there is no other.
 */
export const RANK_ENVIRONMENT: NodeJS.ProcessEnv = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
  OMPI_MCA_btl_tcp_if_include: 'lo',
  OMPI_MCA_oob_tcp_if_include: 'lo',
  PMIX_MCA_ptl_tcp_if_include: 'lo',
  HYDRA_IFACE: 'lo',
};

const version = spawnSync('mpirun', ['--version'], { encoding: 'utf8' });
/** Whether the launcher is MPICH's, not Open MPI's. */
export const isHydra: boolean = version.status === 0 && version.stdout.includes('HYDRA');

/** Makes Open MPI's launcher leave the other ranks alone when one dies; MPICH's always ends them. */
const TOLERANT = { OMPI_MCA_orte_enable_recovery: '1', PRTE_MCA_state_base_recoverable: '1' };

/**
 * The command before mpirun: runs it in a network namespace with only a loopback, because launchers and ranks listen on
 * all addresses whatever their settings. Empty where the machine does not allow it.
 */
const alone: readonly string[] = ownNetwork();

function ownNetwork(): readonly string[] {
  const user = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const enter = ['--net', ...user, 'sh', '-c', 'ip link set dev lo up && exec "$@"', 'sh'];
  return spawnSync('unshare', [...enter, 'true']).status === 0 ? ['unshare', ...enter] : [];
}

/** Why there can be no ranks on this machine, or false. In continuous integration missing MPI is a failure. */
export const withoutMpi: string | false = process.env.CI ? false : missing();

function missing(): string | false {
  if (version.status !== 0) return 'there is no mpirun on this machine';
  return existsSync(mpiAddonFile) ? false : 'the addon over MPI is not built on this machine';
}

/** Starts `node script …args` as several ranks. */
export function startRanks(
  ranks: number,
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  { tolerant = false } = {},
): ChildProcess {
  const [command, ...words] = [...alone, 'mpirun', '-n', String(ranks), process.execPath, script, ...args];
  return spawn(command!, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...RANK_ENVIRONMENT, ...(tolerant && TOLERANT), ...env },
  });
}

/** Runs `vgg` as several ranks. */
export function vggRanks(ranks: number, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return outcomeOf(startRanks(ranks, mainFile, args, env));
}

/** A file beside this one. */
export function testScript(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Runs a script beside this file as several ranks. @returns the JSON that they print */
export async function runRanks<T>(ranks: number, script: string, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await outcomeOf(startRanks(ranks, testScript(script), args));
  if (code !== 0) throw new Error(`${script} as ${ranks} ranks ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** The process of a rank, found by the environment that the launcher gave it. */
export function processOf(mpirun: number, rank: number): number {
  const found = descendants(mpirun).find((pid) => environmentOf(pid).some((line) => isRank(line, rank)));
  if (found === undefined) throw new Error(`mpirun has no rank ${rank}`);
  return found;
}

/** Parents first: MPICH's mpirun starts a process that starts the ranks. */
function descendants(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const direct = children.split(' ').filter(Boolean).map(Number);
  return [...direct, ...direct.flatMap(descendants)];
}

function environmentOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
}

function isRank(line: string, rank: number): boolean {
  return line === `OMPI_COMM_WORLD_RANK=${rank}` || line === `PMI_RANK=${rank}`;
}
