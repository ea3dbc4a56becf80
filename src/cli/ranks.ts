/** Commands that mpirun, srun and other launchers can start as several ranks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Communicator, single } from '../comm/communicator.ts';
import { detectLaunch } from '../comm/launch.ts';
import { CommunicationError, DEFAULT_TIMEOUT, openMpi } from '../comm/mpi.ts';
import { startWatchdog } from '../comm/watchdog.ts';
import { messageOf, UserError } from '../core/errors.ts';
import { type FlagsOf, flag, option } from './command.ts';
import { positiveNumber } from './options.ts';
import { logAnyway, silence } from './output.ts';

export const rankOptions = {
  mpi: flag(
    'work together with the other ranks that mpirun or srun started (default if there are several)',
    'ignore the other ranks',
  ),
  mpiTimeout: option(
    '<seconds>',
    'time without a heartbeat after which a rank is considered lost',
    positiveNumber,
    String(DEFAULT_TIMEOUT),
  ),
};
type RankFlags = FlagsOf<typeof rankOptions>;

/** Whether the work is shared: as the flags say, or else if a launcher started several processes. */
export function isAmongRanks({ mpi }: RankFlags): boolean {
  return mpi ?? detectLaunch() !== undefined;
}

/**
 * Does work as one of several ranks, or alone. Only the first rank shows results and messages. A rank that fails ends
 * all ranks, with one line that names the rank and the error.
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
  startWatchdog((name) => `vgg: ${name} died (killed or crashed); continue with --resume`);
  const options = { timeout: flags.mpiTimeout, launch: detectLaunch(), onLost, onLate };
  const communicator = await openMpi(options);
  opened.communicator = communicator;
  if (communicator.rank > 0) silence();
  try {
    const result = await work(communicator);
    await communicator.close();
    return result;
  } catch (error) {
    // Errors that follow from a lost rank are not reported: the loss was.
    return opened.lost ? await leave(communicator, 1) : await giveUp(communicator, error);
  }
}

/**
 * Milliseconds that a rank leaves to others with a better message before it reports its own error: to the first rank,
 * which may fail for the same reason, and to the rank whose failure caused a CommunicationError.
 */
const PRECEDENCE = 2000;

async function giveUp(communicator: Communicator, error: unknown): Promise<never> {
  const before = Number(communicator.rank > 0) + Number(error instanceof CommunicationError);
  if (before > 0) await sleep(before * PRECEDENCE);
  const who = communicator.rank > 0 ? `${communicator.nameOf(communicator.rank)}: ` : '';
  const bug = error instanceof UserError ? '' : 'this is a bug: ';
  logAnyway(`vgg: ${who}${bug}${messageOf(error)}`);
  return leave(communicator, error instanceof UserError ? error.exitCode : 1);
}

/** MPI ends all processes. If it does not, this process exits, which the launcher notices. */
async function leave(communicator: Communicator | undefined, exitCode: number): Promise<never> {
  communicator?.abort(exitCode);
  await sleep(5000);
  process.exit(exitCode);
}
