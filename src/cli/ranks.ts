/** Commands that can be started as several ranks, by mpirun, srun and the like. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { type Communicator, single } from '../comm/communicator.ts';
import { detectLaunch } from '../comm/launch.ts';
import { CommunicationError, DEFAULT_TIMEOUT, openMpi } from '../comm/mpi.ts';
import { startWatchdog } from '../comm/watchdog.ts';
import { messageOf, UserError } from '../core/errors.ts';
import { positiveNumber } from './options.ts';
import { logAnyway, silence } from './output.ts';

export interface RankFlags {
  /** Undefined: where a launcher started several processes. */
  readonly mpi?: boolean;
  readonly mpiTimeout: number;
}

/** `--mpi`, `--no-mpi` and `--mpi-timeout`. */
export function addRankOptions(command: Command): Command {
  return command
    .option('--mpi', 'share the work with the other ranks (default: where mpirun or srun started several)')
    .option('--no-mpi', 'work alone all the same')
    .option(
      '--mpi-timeout <seconds>',
      'silence of a rank after which it counts as lost',
      positiveNumber,
      DEFAULT_TIMEOUT,
    );
}

/** Whether the work is shared: where the person says so, else where a launcher started several processes. */
export function isAmongRanks({ mpi }: RankFlags): boolean {
  return mpi ?? detectLaunch() !== undefined;
}

/**
 * Does work as one of the ranks that were started together, or alone. The first rank speaks for all: results and
 * messages of the others are not shown. Whoever fails ends all, with one line that says who and why.
 */
export async function withRanks<T>(
  flags: RankFlags,
  work: (communicator: Communicator) => Promise<T>,
): Promise<T> {
  if (!isAmongRanks(flags)) return work(single);
  const opened: { communicator?: Communicator; lost?: boolean } = {};
  const onLost = (message: string): void => {
    logAnyway(`vgg: ${message}`);
    opened.lost = true;
    void leave(opened.communicator, 1);
  };
  const onLate = (message: string): void => logAnyway(message);
  startWatchdog((name) => `vgg: ${name} died: it was killed, or crashed; go on with --resume`);
  const options = { timeout: flags.mpiTimeout, launch: detectLaunch(), onLost, onLate };
  const communicator = await openMpi(options);
  opened.communicator = communicator;
  if (communicator.rank > 0) silence();
  try {
    const result = await work(communicator);
    await communicator.close();
    return result;
  } catch (error) {
    // What fails because a rank is lost needs no words of its own.
    return opened.lost ? await leave(communicator, 1) : await giveUp(communicator, error);
  }
}

/**
 * Long enough for the first rank to end all others, if it fails for the same reason, and before that for whoever
 * knows why no message arrives any more.
 */
const FIRST_SPEAKS = 2000;

async function giveUp(communicator: Communicator, error: unknown): Promise<never> {
  const before = Number(communicator.rank > 0) + Number(error instanceof CommunicationError);
  if (before > 0) await sleep(before * FIRST_SPEAKS);
  const who = communicator.rank > 0 ? `${communicator.nameOf(communicator.rank)}: ` : '';
  const bug = error instanceof UserError ? '' : 'this is a bug: ';
  logAnyway(`vgg: ${who}${bug}${messageOf(error)}`);
  return leave(communicator, error instanceof UserError ? error.exitCode : 1);
}

/** MPI ends the processes; where it does not, this one ends itself, which the launcher notices. */
async function leave(communicator: Communicator | undefined, exitCode: number): Promise<never> {
  communicator?.abort(exitCode);
  await sleep(5000);
  process.exit(exitCode);
}
