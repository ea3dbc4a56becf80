/** Ranks over MPI. */
import { messageOf, UserError } from '../core/errors.ts';
import type { Communicator, ExchangeType } from './communicator.ts';
import { nameOfRank } from './communicator.ts';
import type { Launch } from './launch.ts';
import { loadMpiAddon, type MpiAddon, type MpiFacts } from './mpi-addon.ts';

export interface MpiOptions {
  /** Seconds without a sign of life from a rank after which it counts as lost (default 20). */
  readonly patience?: number;
  /** What the process was started by, if that is known: MPI must see as many. */
  readonly launch?: Launch;
  /** Told once when a rank is lost: nobody can go on then. What is under way fails. */
  onLost?(message: string): void;
  /**
   * Told where ranks that live have not come to what the others do for longer than patience and a second a rank;
   * again after twice the time, and so on. One of those that wait is told.
   */
  onLate?(message: string): void;
}

export const DEFAULT_PATIENCE = 20;

/** MPI itself has failed, as it does for all where one rank is gone. */
export class ContactError extends UserError {}

/**
 * Starts MPI.
 * @throws UserError where it is not installed, or does not belong to the launcher.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Communicator> {
  const addon = loadMpiAddon();
  const lost = (rank: number, seconds: number): void =>
    options.onLost?.(
      `${name(facts, rank)} has given no sign of life for ${Math.round(seconds)} s: it died, or it is stopped, or the network is cut; go on with --resume`,
    );
  const late = (ranks: readonly number[], seconds: number): void =>
    options.onLate?.(
      `waiting for ${ranks.map((rank) => name(facts, rank)).join(', ')} for ${Math.round(seconds)} s: alive, but not come to what the others do`,
    );
  const facts = await started(addon, options.patience ?? DEFAULT_PATIENCE, lost, late);
  const { launch } = options;
  if (launch && launch.processes !== facts.size) {
    throw new UserError(
      `${launch.launcher} started ${launch.processes} processes, but ${shortVersion(facts.library)} sees ${facts.size}: ` +
        'launcher and library do not belong together; use the mpirun of that library, or srun with --mpi=pmix or --mpi=pmi2',
    );
  }
  return new MpiCommunicator(addon, facts);
}

async function started(
  addon: MpiAddon,
  patience: number,
  lost: (rank: number, seconds: number) => void,
  late: (ranks: readonly number[], seconds: number) => void,
): Promise<MpiFacts> {
  try {
    return await addon.open(patience, lost, late);
  } catch (error) {
    throw new UserError(`MPI does not start: ${messageOf(error)}`, { cause: error });
  }
}

class MpiCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly localSize: number;
  readonly description: string;
  readonly #addon: MpiAddon;
  readonly #facts: MpiFacts;

  constructor(addon: MpiAddon, facts: MpiFacts) {
    this.#addon = addon;
    this.#facts = facts;
    this.rank = facts.rank;
    this.size = facts.size;
    this.localSize = facts.localSize;
    this.description = shortVersion(facts.library);
  }

  nameOf(rank: number): string {
    return name(this.#facts, rank);
  }

  allReduceSum(data: Float32Array, type: ExchangeType = 'float32'): Promise<void> {
    return explained(this.#addon.allReduceSum(data, type === 'bf16'));
  }

  broadcast(data: Float32Array): Promise<void> {
    return explained(this.#addon.broadcast(data, 0));
  }

  async gather<T>(value: T): Promise<T[]> {
    const texts = await explained(this.#addon.allGather(JSON.stringify(value)));
    return texts.map((text) => JSON.parse(text) as T);
  }

  async barrier(): Promise<void> {
    await this.gather(null);
  }

  async close(): Promise<void> {
    // Until all have come here, the silence of one that has not is noticed.
    await this.barrier();
    await explained(this.#addon.close());
  }

  abort(exitCode: number): void {
    this.#addon.abort(exitCode);
  }
}

function name({ hosts, pids }: MpiFacts, rank: number): string {
  return nameOfRank(rank, hosts[rank]!, pids[rank]!);
}

/** `Open MPI v4.1.4, package: …` and lines of other things: the first words say enough. */
function shortVersion(library: string): string {
  return library.split(/[,\n]/, 1)[0]!.replace(/\s+/g, ' ').trim();
}

async function explained<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new ContactError(`the ranks cannot reach one another any more: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
