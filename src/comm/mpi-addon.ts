/** Loading the MPI addon, and its interface. */
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
   * Starts MPI; once per process.
   * @param patience seconds of silence after which a rank counts as lost
   * @param lost called when a rank is lost
   * @param late called, at growing intervals, while living ranks have not reached the operation of the others
   */
  open(
    patience: number,
    lost: (rank: number, seconds: number) => void,
    late: (ranks: readonly number[], seconds: number) => void,
  ): Promise<MpiFacts>;
  /** @param brief whether values are sent as bfloat16 */
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
 * Open MPI settings for the exchange of gradients; variables that are already set take precedence. By default, over TCP,
 * the receiver requests the pieces of a large message, and its requests queue behind the data sent in the other
 * direction. When all ranks send and receive all the time, this costs a third of the bandwidth
 * (docs/explanation/performance.md). 1 is the flag of btl.h for sending immediately.
 */
export const OPEN_MPI_SETTINGS: Readonly<Record<string, string>> = { OMPI_MCA_btl_tcp_flags: '1' };

/**
 * Settings for UCX, which Debian's MPICH uses. By default it replaces the process's memory allocator, which crashed V8
 * at times, and prints a backtrace whenever a rank died whose memory it was about to read.
 */
const UCX_SETTINGS: Readonly<Record<string, string>> = {
  UCX_MEM_MALLOC_HOOKS: 'n',
  UCX_HANDLE_ERRORS: 'none',
};

/** @throws UserError with what to install. */
export function loadMpiAddon(file: string = mpiAddonFile): MpiAddon {
  if (!existsSync(file)) {
    throw new UserError(
      `training with several ranks needs MPI, which is not installed on this machine: ${INSTALL}`,
    );
  }
  for (const [name, value] of Object.entries({ ...OPEN_MPI_SETTINGS, ...UCX_SETTINGS }))
    process.env[name] ??= value;
  const module = { exports: {} };
  try {
    // Open MPI loads plugins that look for its symbols among the global ones.
    process.dlopen(module, file, constants.dlopen.RTLD_NOW | (constants.dlopen.RTLD_GLOBAL ?? 0));
  } catch (error) {
    throw new UserError(`MPI cannot be loaded on this machine (${messageOf(error)}): ${INSTALL}`, {
      cause: error,
    });
  }
  return module.exports as MpiAddon;
}
