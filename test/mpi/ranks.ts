/** Starts real ranks with mpirun, on this machine and over the loopback alone. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mpiAddonFile } from '../../src/comm/mpi-addon.ts';
import { mainFile, type Outcome } from '../e2e/cli-process.ts';

/** Both generations of Open MPI read their settings from here; MPICH needs none. */
export const RANK_ENVIRONMENT: NodeJS.ProcessEnv = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  PRTE_MCA_hwloc_default_binding_policy: 'none',
  OMPI_MCA_btl_tcp_if_include: 'lo',
  OMPI_MCA_oob_tcp_if_include: 'lo',
  PRTE_MCA_oob_tcp_if_include: 'lo',
  PMIX_MCA_ptl_tcp_if_include: 'lo',
};

/** Why there can be no ranks here, or false. On the continuous integration's machines that is a failure. */
export const withoutMpi: string | false = process.env.CI ? false : missing();

function missing(): string | false {
  if (spawnSync('mpirun', ['--version']).status !== 0) return 'there is no mpirun on this machine';
  return existsSync(mpiAddonFile) ? false : 'the addon over MPI is not built on this machine';
}

/** Starts `node script …args` as so many ranks. */
export function startRanks(
  ranks: number,
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  return spawn('mpirun', ['-n', String(ranks), process.execPath, script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...RANK_ENVIRONMENT, ...env },
  });
}

/** Collects what a process says until it ends. */
export function outcomeOf(child: ChildProcess): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs `vgg` as so many ranks. */
export function vggRanks(ranks: number, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  return outcomeOf(startRanks(ranks, mainFile, args, env));
}

/** A neighbour of this file. */
export function testScript(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Runs a test's own script, a neighbour of this file, as so many ranks. @returns what they print, as JSON */
export async function runRanks<T>(ranks: number, script: string, ...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await outcomeOf(startRanks(ranks, testScript(script), args));
  if (code !== 0) throw new Error(`${script} as ${ranks} ranks ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** The process of a rank, by what the launcher has told it. */
export function processOf(mpirun: number, rank: number): number {
  const tasks = readFileSync(`/proc/${mpirun}/task/${mpirun}/children`, 'utf8');
  const found = tasks
    .trim()
    .split(' ')
    .map(Number)
    .find((pid) => environmentOf(pid).some((line) => isRank(line, rank)));
  if (found === undefined) throw new Error(`mpirun has no rank ${rank}`);
  return found;
}

function environmentOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
}

function isRank(line: string, rank: number): boolean {
  return line === `OMPI_COMM_WORLD_RANK=${rank}` || line === `PMI_RANK=${rank}`;
}
