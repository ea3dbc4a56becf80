/** The MPI addon's interface, and loading it. */
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
   * Starts MPI; call it only once in a process.
   * @param timeout seconds of silence after which a rank counts as lost
   * @param late called occasionally with ranks that are alive but have not reached the operation of the others
   */
  open(
    timeout: number,
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

export const INSTALL_MPI =
  'install libopenmpi-dev and openmpi-bin (Debian, Ubuntu), openmpi-devel (Fedora) or open-mpi (Homebrew), or load the module of your cluster, then run `vgg build-mpi`';

/**
 * Open MPI settings for the gradient exchange; variables that are already set keep their values. Over TCP, Open MPI by
 * default lets a receiver request the pieces of a large message, and the requests queue behind the data in the other
 * direction. If all ranks send and receive continuously, a third of the bandwidth is lost
 * (docs/explanation/measurements.md). 1 is the flag in btl.h for sending without requests.
 */
const OPEN_MPI_SETTINGS: Readonly<Record<string, string>> = { OMPI_MCA_btl_tcp_flags: '1' };

/**
 * Settings for UCX, which Debian's MPICH uses. By default it replaces the process's allocator, which sometimes crashes
 * V8, and prints backtraces, even if it merely fails to read the memory of a rank that has died.
 */
const UCX_SETTINGS: Readonly<Record<string, string>> = {
  UCX_MEM_MALLOC_HOOKS: 'n',
  UCX_HANDLE_ERRORS: 'none',
};

/** @throws UserError naming the packages to install. */
export function loadMpiAddon(file: string = mpiAddonFile): MpiAddon {
  if (!existsSync(file)) {
    throw new UserError(
      `running several ranks needs MPI, and verydeep built against it, which this machine lacks; ${INSTALL_MPI}`,
    );
  }
  for (const [name, value] of Object.entries({ ...OPEN_MPI_SETTINGS, ...UCX_SETTINGS }))
    process.env[name] ??= value;
  const module = { exports: {} };
  try {
    // Open MPI loads components that look up its symbols globally.
    process.dlopen(module, file, constants.dlopen.RTLD_NOW | (constants.dlopen.RTLD_GLOBAL ?? 0));
  } catch (error) {
    throw new UserError(`MPI cannot be loaded on this machine (${messageOf(error)}); ${INSTALL_MPI}`, {
      cause: error,
    });
  }
  return module.exports as MpiAddon;
}
