/** Detects whether a launcher started this process as one of several ranks. */

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment variables in which launchers pass the number of processes. */
const SIZES: Readonly<Record<string, string>> = {
  OMPI_COMM_WORLD_SIZE: "Open MPI's mpirun",
  PMI_SIZE: "MPICH's mpirun",
  MPI_LOCALNRANKS: "MPICH's mpirun",
  // Only srun sets it, unlike SLURM_NTASKS, which batch scripts have too.
  SLURM_STEP_NUM_TASKS: 'srun',
};

export interface Launch {
  /** The launcher's display name. */
  readonly launcher: string;
  readonly processes: number;
}

/** @returns undefined for a single process. */
export function detectLaunch(environment: Environment = process.env): Launch | undefined {
  for (const [variable, launcher] of Object.entries(SIZES)) {
    const processes = Number(environment[variable]);
    if (processes > 1) return { launcher, processes };
  }
  return undefined;
}
