/** The addon over MPI: what it gives, and how it is loaded. */
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { messageOf, UserError } from '../core/errors.ts';
import { projectFolder } from '../core/project.ts';

export interface MpiFacts {
  readonly rank: number;
  readonly size: number;
  readonly localSize: number;
  readonly library: string;
  readonly hosts: readonly string[];
  readonly pids: readonly number[];
}

export interface MpiAddon {
  /**
   * Starts MPI; once in a process.
   * @param patience seconds of silence after which a rank counts as lost
   * @param late told rarely of ranks that live and have not come to what the others do
   */
  open(
    patience: number,
    lost: (rank: number, seconds: number) => void,
    late: (ranks: readonly number[], seconds: number) => void,
  ): Promise<MpiFacts>;
  /** @param brief whether values travel as bfloat16 */
  allReduceSum(data: Float32Array, brief: boolean): Promise<void>;
  broadcast(data: Float32Array, root: number): Promise<void>;
  allGather(text: string): Promise<string[]>;
  close(): Promise<void>;
  abort(code: number): void;
}

export const mpiAddonFile: string = join(projectFolder, 'build/mpi/verydeep_mpi.node');

const INSTALL =
  'install libopenmpi-dev and openmpi-bin (Debian, Ubuntu), openmpi-devel (Fedora) or open-mpi (Homebrew), then run `npm run setup`';

/**
 * Open MPI's settings that suit the exchange of gradients; what the environment says already stays. Over TCP Open
 * MPI by default lets a receiver ask for the pieces of a large message, and the asking stands in the queue behind
 * what is on its way in the other direction: where everybody sends and receives all the time, a third of the
 * bandwidth is lost (docs/explanation/measurements.md). 1: send at once, the flag of btl.h for that.
 */
export const OPEN_MPI_SETTINGS: Readonly<Record<string, string>> = { OMPI_MCA_btl_tcp_flags: '1' };

/**
 * The same for UCX, over which Debian's MPICH works. By default it puts an allocator of its own in the place of the
 * process's, which V8 did not survive every time, and prints backtraces, also where a rank has died whose memory it
 * was about to read.
 */
const UCX_SETTINGS: Readonly<Record<string, string>> = {
  UCX_MEM_MALLOC_HOOKS: 'n',
  UCX_HANDLE_ERRORS: 'none',
};

/** @throws UserError saying what to install. */
export function loadMpiAddon(file: string = mpiAddonFile): MpiAddon {
  if (!existsSync(file)) {
    throw new UserError(`several ranks need MPI, which the set-up did not find on this machine: ${INSTALL}`);
  }
  for (const [name, value] of Object.entries({ ...OPEN_MPI_SETTINGS, ...UCX_SETTINGS }))
    process.env[name] ??= value;
  const module = { exports: {} };
  try {
    // Open MPI loads parts of itself that look for its symbols among the global ones.
    process.dlopen(module, file, constants.dlopen.RTLD_NOW | (constants.dlopen.RTLD_GLOBAL ?? 0));
  } catch (error) {
    throw new UserError(`MPI does not load on this machine (${messageOf(error)}): ${INSTALL}`, {
      cause: error,
    });
  }
  return module.exports as MpiAddon;
}
