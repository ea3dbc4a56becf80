/** Communication over MPI. */
import { messageOf, UserError } from '../core/errors.ts';
import { type Communicator, type ExchangeType, nameOfRank } from './communicator.ts';
import type { Launch } from './launch.ts';
import { loadMpiAddon, type MpiAddon, type MpiFacts } from './mpi-addon.ts';

interface MpiOptions {
  /** Seconds without a heartbeat from a rank after which it counts as lost (default: 20). */
  readonly timeout?: number;
  /** How the process was started, if known: MPI must see as many processes as the launcher started. */
  readonly launch?: Launch;
  /** Called once when a rank is lost. No rank can continue then, and operations in progress fail. */
  onLost?(message: string): void;
  /**
   * Called when ranks that are alive have not joined the operation of the others for longer than the timeout plus one
   * second for each rank; again after twice the time, and so on. Only one of the waiting ranks calls it.
   */
  onLate?(message: string): void;
}

export const DEFAULT_TIMEOUT = 20;

/** MPI itself failed, as it does on all ranks when one is gone. */
export class CommunicationError extends UserError {}

/**
 * Starts MPI.
 * @throws UserError when it is not installed, or is not the launcher's library.
 */
export async function openMpi(options: MpiOptions = {}): Promise<Communicator> {
  const addon = loadMpiAddon();
  const lost = (rank: number, seconds: number): void =>
    options.onLost?.(
      `${name(facts, rank)} has sent no heartbeat for ${Math.round(seconds)} s: it died, it is stopped, or the network is down; continue with --resume`,
    );
  const late = (ranks: readonly number[], seconds: number): void =>
    options.onLate?.(
      `waiting for ${ranks.map((rank) => name(facts, rank)).join(', ')} for ${Math.round(seconds)} s: alive, but not yet in the other ranks' operation`,
    );
  const facts = await started(addon, options.timeout ?? DEFAULT_TIMEOUT, lost, late);
  const { launch } = options;
  if (launch && launch.processes !== facts.size) {
    throw new UserError(
      `${launch.launcher} started ${launch.processes} processes, but ${shortVersion(facts.library)} sees ${facts.size}: ` +
        'the launcher does not belong to this MPI library; use its mpirun, or srun with --mpi=pmix or --mpi=pmi2',
    );
  }
  return new MpiCommunicator(addon, facts);
}

async function started(
  addon: MpiAddon,
  timeout: number,
  lost: (rank: number, seconds: number) => void,
  late: (ranks: readonly number[], seconds: number) => void,
): Promise<MpiFacts> {
  try {
    return await addon.open(timeout, lost, late);
  } catch (error) {
    throw new UserError(`MPI cannot be started: ${messageOf(error)}`, { cause: error });
  }
}

class MpiCommunicator implements Communicator {
  readonly rank: number;
  readonly size: number;
  readonly localSize: number;
  readonly firstHere: number;
  readonly description: string;
  readonly #addon: MpiAddon;
  readonly #facts: MpiFacts;

  constructor(addon: MpiAddon, facts: MpiFacts) {
    this.#addon = addon;
    this.#facts = facts;
    this.rank = facts.rank;
    this.size = facts.size;
    this.localSize = facts.localSize;
    this.firstHere = facts.hosts.indexOf(facts.hosts[facts.rank]!);
    this.description = shortVersion(facts.library);
  }

  nameOf(rank: number): string {
    return name(this.#facts, rank);
  }

  allReduceSum(data: Float32Array, type: ExchangeType = 'float32'): Promise<void> {
    return withContext(this.#addon.allReduceSum(data, type === 'bf16'));
  }

  broadcast(data: Float32Array): Promise<void> {
    return withContext(this.#addon.broadcast(data, 0));
  }

  async gather<T>(value: T): Promise<T[]> {
    const texts = await withContext(this.#addon.allGather(JSON.stringify(value)));
    return texts.map((text) => JSON.parse(text) as T);
  }

  async barrier(): Promise<void> {
    await this.gather(null);
  }

  async close(): Promise<void> {
    // A rank that is lost before all ranks get here is noticed.
    await this.barrier();
    await withContext(this.#addon.close());
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

async function withContext<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw new CommunicationError(`the ranks can no longer communicate: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
