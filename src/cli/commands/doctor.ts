import { version } from '../../core/project.ts';
import { wrapText } from '../../report/table.ts';
import { paint } from '../color.ts';
import { type FlagsOf, newCommand } from '../command.ts';
import { json } from '../options.ts';
import { printAs } from '../output.ts';
import { withBars } from '../progress.ts';
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
    'Check this machine and, if it is named, a data set: classes, unusable files, split, and time per epoch. With --mpi: whether the ranks can train together. Exits with code 1 if something needed is missing.',
  examples: ['doctor', 'doctor photos', 'doctor --json', 'doctor runs/photos --mpi  (under mpirun or srun)'],
  options,
})
  .argument('[data]', 'data set to check; with --mpi: whether all ranks can read it')
  .action(diagnose);

async function diagnose(data: string | undefined, flags: Flags): Promise<void> {
  if (!isAmongRanks(flags)) return examine(data, flags);
  // Imported on demand: this command must run where the native engine fails to load.
  const { examineRanks } = await import('./doctor-ranks.ts');
  await withRanks(flags, (communicator) => examineRanks(communicator, data, flags));
}

async function examine(data: string | undefined, flags: Flags): Promise<void> {
  const found: Check[] = [];
  for (const check of checks) found.push(await check());
  if (data !== undefined) {
    const { checkData } = await import('./doctor-data.ts');
    found.push(...(await withBars((show) => checkData(data, show))));
  }
  const ok = found.every(({ status }) => status !== 'missing');
  printAs<Diagnosis>({ version, ok, checks: found }, flags, formatDiagnosis);
  if (!ok) process.exitCode = 1;
}

const marks = { ok: ['green', '✓'], warning: ['yellow', '!'], missing: ['red', '✗'] } as const;

function formatDiagnosis({ ok, checks: found }: Diagnosis): string {
  const width = Math.max(...found.map(({ name }) => name.length));
  const { columns = Number.POSITIVE_INFINITY } = process.stdout;
  const within = (text: string) => wrapText(text, columns - width - 6).join(`\n${' '.repeat(width + 4)}`);
  const markOf = (status: Check['status']) => {
    const [color, mark] = marks[status];
    return paint(color, mark, process.stdout);
  };
  const lines = found.flatMap(({ name, status, found: what, remedy }) => [
    `${markOf(status)} ${name.padEnd(width)}  ${within(what)}`,
    ...(remedy ? [`${' '.repeat(width + 4)}→ ${within(remedy)}`] : []),
  ]);
  const verdict = ok ? 'Everything needed is installed.' : 'Something needed is missing; see ✗ above.';
  return [`verydeep ${version}`, ...lines, verdict].join('\n');
}
