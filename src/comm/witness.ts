/**
 * A small process beside a rank that reports its death where the launcher does not. MPICH's launcher (hydra) kills the
 * other ranks without a message within milliseconds after a rank has closed its socket to the launcher. The witness
 * holds that socket open until it has printed its line. When the launcher kills the other ranks, it kills their process
 * groups and so their witnesses: only the witness of the rank that died first reports.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { UserError } from '../core/errors.ts';
import { nameOfRank } from './communicator.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Waits for the rank's farewell or its end. It ignores the signals that the launcher forwards to the process group. A
 * rank that was killed is reported immediately. One that crashed (Linux shows its exit code) may have crashed because
 * another was killed, so its witness waits a second for that one's report.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM USR1 USR2
read -r farewell <&3 && exit
case "$(cat "/proc/$PPID/stat" 2>/dev/null)" in
  *' 9') ;;
  *) sleep 1 ;;
esac
echo "$0" >&2
`;

/**
 * Starts a witness that reports the death of this process, unless it exits normally.
 * @param wordsFor returns the line to print, given the name of this rank
 * @returns undefined where the launcher is not MPICH's
 * @throws UserError when the launcher's socket did not reach this process
 */
export function postWitness(
  wordsFor: (name: string) => string,
  environment: Environment = process.env,
): ChildProcess | undefined {
  const { MPI_LOCALRANKID, PMI_FD, PMI_RANK } = environment;
  if (MPI_LOCALRANKID === undefined || PMI_FD === undefined || PMI_RANK === undefined) return undefined;
  if (!isSocket(Number(PMI_FD))) {
    throw new UserError(
      `npx does not pass on the socket that MPICH's mpirun opens for each rank; run \`mpirun … node ${process.argv[1]} …\` without npx`,
    );
  }
  const name = nameOfRank(Number(PMI_RANK), hostname(), process.pid);
  const witness = spawn('sh', ['-c', SCRIPT, wordsFor(name)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', Number(PMI_FD)],
  });
  const farewell = witness.stdio[3] as Socket;
  // Without sh, or when the witness was killed, nothing can be done.
  witness.on('error', () => {});
  farewell.on('error', () => {});
  witness.unref();
  farewell.unref();
  process.on('exit', () => farewell.write('\n'));
  return witness;
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false;
  }
}
