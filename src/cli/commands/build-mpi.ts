import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { INSTALL_MPI, mpiAddonFile } from '../../comm/mpi-addon.ts';
import { messageOf, UserError } from '../../core/errors.ts';
import { projectFolder } from '../../core/project.ts';
import { newCommand } from '../command.ts';
import { printResult } from '../output.ts';

/** `vgg build-mpi`: compiles the addon over MPI, in the installed package or in a clone. */
export const command = newCommand('build-mpi', {
  description:
    "Build what training on several machines needs, against this machine's MPI. Needs MPI with its compiler wrapper (mpicxx), CMake and a C++ compiler. Repeat it after another MPI or verydeep was installed.",
  examples: ['build-mpi', 'build-mpi  (after `module load openmpi` on a cluster)'],
  options: {},
}).action(buildMpi);

async function buildMpi(): Promise<void> {
  // The set-up of a clone, which is plain JavaScript, builds the addon in the same way.
  const { Machine } = await setUpFile<{ Machine: new () => Requirements }>('machine.mjs');
  const machine = new Machine();
  if (machine.mpi() === undefined) throw new UserError(`this machine has no MPI: ${INSTALL_MPI}`);
  const missing = [
    machine.compiler === undefined && 'a C++ compiler',
    !machine.hasCMake() && 'CMake',
    !machine.hasMakeOrNinja() && 'make or ninja',
  ].filter((what) => what !== false);
  if (missing.length > 0) {
    throw new UserError(
      `building needs ${missing.join(', ')}: install what is missing, then repeat the command`,
    );
  }
  const { buildMpiAddon } = await setUpFile<{ buildMpiAddon(): Promise<unknown> }>('native-addon.mjs');
  const { forwardSignals } = await setUpFile<{ forwardSignals(): void }>('command.mjs');
  const { takeLock } = await setUpFile<{ takeLock(file: string): Promise<() => void> }>('lock.mjs');
  forwardSignals();
  try {
    const giveBack = await takeLock(join(projectFolder, 'build', 'setup.lock'));
    try {
      await buildMpiAddon();
    } finally {
      giveBack();
    }
  } catch (error) {
    const { detail = '' } = error as { detail?: string };
    throw new UserError([messageOf(error), detail].filter(Boolean).join('\n'), { cause: error });
  }
  printResult(`${mpiAddonFile} is built. Check the ranks with: mpirun -n 2 npx verydeep doctor --mpi`);
}

interface Requirements {
  readonly compiler?: string;
  mpi(): string | undefined;
  hasCMake(): boolean;
  hasMakeOrNinja(): boolean;
}

function setUpFile<Exports>(name: string): Promise<Exports> {
  return import(pathToFileURL(join(projectFolder, 'scripts', 'setup', name)).href) as Promise<Exports>;
}
