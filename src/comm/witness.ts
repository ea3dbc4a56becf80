/**
 * A small process beside a rank that says who has died where the launcher does not. MPICH's (hydra) kills the
 * others, without a word, within milliseconds after a rank has closed its socket to the launcher; the witness holds
 * that socket open until it has spoken. When the launcher kills the other ranks it kills their process groups,
 * and so their witnesses: only the one of the rank that died by itself speaks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { UserError } from '../core/errors.ts';
import { nameOfRank } from './communicator.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Waits for the rank's farewell, or its end. Signals that the launcher hands on to the group are for the rank. One
 * that has crashed, as Linux' exit code of it tells, may have done so because another was killed, whose witness
 * speaks at once and has everybody ended.
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
 * Has the death of this process announced, unless it ends with an exit code.
 * @param wordsFor the line, given the name of this rank
 * @returns undefined where the launcher is not MPICH's
 * @throws UserError where the launcher's socket was lost on the way
 */
export function postWitness(
  wordsFor: (name: string) => string,
  environment: Environment = process.env,
): ChildProcess | undefined {
  const { MPI_LOCALRANKID, PMI_FD, PMI_RANK } = environment;
  if (MPI_LOCALRANKID === undefined || PMI_FD === undefined || PMI_RANK === undefined) return undefined;
  if (!isSocket(Number(PMI_FD))) {
    throw new UserError(
      `MPICH's mpirun has a socket for each rank that npx does not hand on; start \`mpirun … node ${process.argv[1]} …\` without npx`,
    );
  }
  const name = nameOfRank(Number(PMI_RANK), hostname(), process.pid);
  const witness = spawn('sh', ['-c', SCRIPT, wordsFor(name)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', Number(PMI_FD)],
  });
  const farewell = witness.stdio[3] as Socket;
  // A machine without sh, or a witness that was killed: there is nothing to be done about either.
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
