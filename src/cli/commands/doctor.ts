import { UsageError } from '../../core/errors.ts';
import { version } from '../../core/project.ts';
import { type FlagsOf, newCommand } from '../command.ts';
import { json } from '../options.ts';
import { printAs } from '../output.ts';
import { isAmongRanks, rankOptions, withRanks } from '../ranks.ts';
import { type Check, checks } from './doctor-checks.ts';

/** What `vgg doctor --json` prints. */
interface Diagnosis {
  readonly version: string;
  /** Whether everything needed was found; warnings do not count. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

const options = { json, ...rankOptions };
type Flags = FlagsOf<typeof options>;

/** `vgg doctor`: checks this machine. */
export const command = newCommand('doctor', {
  description:
    'Check this machine, or with --mpi whether the ranks can train together. Exits with code 1 if something needed is missing.',
  examples: ['doctor', 'doctor --json', 'doctor runs/photos --mpi  (under mpirun or srun)'],
  options,
})
  .argument('[data]', 'with --mpi: data set that all ranks should be able to read')
  .action(diagnose);

async function diagnose(data: string | undefined, flags: Flags): Promise<void> {
  if (!isAmongRanks(flags)) {
    if (data !== undefined) throw new UsageError(`${data} is only checked over ranks; add --mpi or omit it`);
    return examine(flags);
  }
  // Imported on demand: this command must run where the native engine fails to load.
  const { examineRanks } = await import('./doctor-ranks.ts');
  await withRanks(flags, (communicator) => examineRanks(communicator, data, flags));
}

async function examine(flags: Flags): Promise<void> {
  const found: Check[] = [];
  for (const check of checks) found.push(await check());
  const ok = found.every(({ status }) => status !== 'missing');
  printAs<Diagnosis>({ version, ok, checks: found }, flags, formatDiagnosis);
  if (!ok) process.exitCode = 1;
}

const marks = { ok: '✓', warning: '!', missing: '✗' } as const;

function formatDiagnosis({ ok, checks: found }: Diagnosis): string {
  const width = Math.max(...found.map(({ name }) => name.length));
  const lines = found.flatMap(({ name, status, found: what, remedy }) => [
    `${marks[status]} ${name.padEnd(width)}  ${what}`,
    ...(remedy ? [`${' '.repeat(width + 4)}→ ${remedy}`] : []),
  ]);
  const verdict = ok ? 'Everything needed is installed.' : 'Something needed is missing; see ✗ above.';
  return [`verydeep ${version}`, ...lines, verdict].join('\n');
}
