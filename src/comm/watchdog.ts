/**
 * A small process that accompanies a rank and reports its death if the launcher does not. MPICH's launcher (hydra)
 * kills the other ranks without a message, within milliseconds after a rank has closed its socket to the launcher. The
 * watchdog keeps that socket open until it has printed its message. When the launcher kills the other ranks, it kills
 * their process groups and thus their watchdogs, so only the watchdog of the rank that died first prints a message.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fstatSync } from 'node:fs';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { UserError } from '../core/errors.ts';
import { nameOfRank } from './communicator.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Waits for the rank's farewell message or its death. It ignores the signals that the launcher sends to the group, since
 * they are for the rank. A rank that crashed instead of being killed (the exit code tells, on Linux) may have crashed
 * because another rank was killed. Then it waits: that rank's watchdog reports immediately, and then all are killed.
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
 * Starts a watchdog, which prints a message if this process dies without an exit code.
 * @param messageFor the message, given the name of this rank
 * @returns undefined if the launcher is not MPICH's
 * @throws UserError if this process does not have the launcher's socket
 */
export function startWatchdog(
  messageFor: (name: string) => string,
  environment: Environment = process.env,
): ChildProcess | undefined {
  const { MPI_LOCALRANKID, PMI_FD, PMI_RANK } = environment;
  if (MPI_LOCALRANKID === undefined || PMI_FD === undefined || PMI_RANK === undefined) return undefined;
  if (!isSocket(Number(PMI_FD))) {
    throw new UserError(
      `MPICH's mpirun gives each rank a socket, which npx does not pass on; start \`mpirun … node ${process.argv[1]} …\` without npx`,
    );
  }
  const name = nameOfRank(Number(PMI_RANK), hostname(), process.pid);
  const watchdog = spawn('sh', ['-c', SCRIPT, messageFor(name)], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', Number(PMI_FD)],
  });
  const farewell = watchdog.stdio[3] as Socket;
  // Nothing can be done if the machine has no sh or the watchdog was killed.
  watchdog.on('error', () => {});
  farewell.on('error', () => {});
  watchdog.unref();
  farewell.unref();
  process.on('exit', () => farewell.write('\n'));
  return watchdog;
}

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket();
  } catch {
    return false;
  }
}
