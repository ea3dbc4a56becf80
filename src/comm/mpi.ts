/** Ranks over MPI. */
import { messageOf, UserError } from '../core/errors.ts';
import type { Communicator, ExchangeType } from './communicator.ts';
import { nameOfRank } from './communicator.ts';
import type { Launch } from './launch.ts';
import { loadMpiAddon, type MpiAddon, type MpiFacts } from './mpi-addon.ts';

export interface MpiOptions {
  /** Seconds without a sign of life from a rank after which it counts as lost (default 20). */
  readonly patience?: number;
  /** The launcher, if known: MPI must report the same number of processes. */
  readonly launch?: Launch;
  /** Called once when a rank is lost. No rank can continue, and pending operations fail. */
  onLost?(message: string): void;
  /**
   * Called on one of the waiting ranks when living ranks have not reached the same operation for longer than `patience`
   * plus one second per rank; again after twice that time, and so on.
   */
  onLate?(message: string): void;
}

/** Seconds. */
export const DEFAULT_PATIENCE = 20;

/** MPI itself failed, as it does on all ranks when one is gone. */
export class ContactError extends UserError {}

/**
 * Starts MPI.
 * @throws UserError when it is not installed, or does not match the launcher.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Communicator> {
  const addon = loadMpiAddon();
  const lost = (rank: number, seconds: number): void =>
    options.onLost?.(
      `${name(facts, rank)} has given no sign of life for ${Math.round(seconds)} s: it died or is stopped, or the network failed; continue with --resume`,
    );
  const late = (ranks: readonly number[], seconds: number): void =>
    options.onLate?.(
      `waiting for ${ranks.map((rank) => name(facts, rank)).join(', ')} for ${Math.round(seconds)} s: alive, but not yet at the operation that the other ranks have reached`,
    );
  const facts = await started(addon, options.patience ?? DEFAULT_PATIENCE, lost, late);
  const { launch } = options;
  if (launch && launch.processes !== facts.size) {
    throw new UserError(
      `${launch.launcher} started ${launch.processes} processes, but ${shortVersion(facts.library)} sees ${facts.size}: ` +
        'launcher and library do not match; use the mpirun of that library, or srun with --mpi=pmix or --mpi=pmi2',
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
    throw new UserError(`MPI could not be started: ${messageOf(error)}`, { cause: error });
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
    // Lost ranks are still noticed until all ranks have reached this point.
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

/** The first words of `Open MPI v4.1.4, package: …` and further lines. */
function shortVersion(library: string): string {
  return library.split(/[,\n]/, 1)[0]!.replace(/\s+/g, ' ').trim();
}

async function explained<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new ContactError(`the ranks lost contact with each other: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
