/**
 * Measures the efficiency of several ranks on one machine: steps of one process with as many threads as there are ranks,
 * alternating with steps of ranks with one thread each, so that other load affects both. The global batch is the same.
 *
 *   node dist/bench/mpi/efficiency.js --ranks 2 --config D --batch 32 --rounds 3
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatTable } from '../../src/report/table.ts';
import { outcomeOf } from '../../test/e2e/cli-process.ts';
import { startRanks, withoutMpi } from '../../test/mpi/ranks.ts';
import type { StepsReport } from './steps.ts';

const { values: options } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    config: { type: 'string', default: 'D' },
    width: { type: 'string', default: '1' },
    crop: { type: 'string', default: '224' },
    batch: { type: 'string', default: '32' },
    'micro-batch': { type: 'string', default: '8' },
    /** Steps of each kind per round, after one that warms up. */
    steps: { type: 'string', default: '2' },
  },
});
if (withoutMpi) {
  process.stderr.write(`${withoutMpi}\n`);
  process.exit(1);
}
const ranks = Number(options.ranks);
const script = fileURLToPath(new URL('./steps.js', import.meta.url));
const shared = (['config', 'width', 'crop', 'batch', 'micro-batch', 'steps'] as const).flatMap((name) => [
  `--${name}`,
  options[name],
]);

async function reportOf(child: Parameters<typeof outcomeOf>[0]): Promise<StepsReport> {
  const { code, stdout, stderr } = await outcomeOf(child);
  if (code !== 0) throw new Error(stderr);
  process.stderr.write(stdout);
  return JSON.parse(stdout) as StepsReport;
}

const together = (): Promise<StepsReport> =>
  reportOf(
    spawn(process.execPath, [script, ...shared, '--threads', String(ranks)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
const apart = (): Promise<StepsReport> => reportOf(startRanks(ranks, script, [...shared, '--threads', '1']));

const rounds: (readonly [one: StepsReport, several: StepsReport])[] = [];
for (let round = 0; round < Number(options.rounds); round++) {
  // Alternating which comes first, so that neither gains from it.
  if (round % 2 === 0) rounds.push([await together(), await apart()]);
  else {
    const several = await apart();
    rounds.push([await together(), several]);
  }
}
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const row = (what: string, key: 'secondsPerStep' | 'processorSecondsPerStep'): string[] => {
  const [one, several] = [0, 1].map((side) => median(rounds.map((round) => round[side as 0 | 1][key])));
  return [what, one!.toFixed(3), several!.toFixed(3), (one! / several!).toFixed(3)];
};
const head = [
  'seconds a step',
  `one process,\n${ranks} threads`,
  `${ranks} ranks,\na thread each`,
  'efficiency',
];
process.stdout.write(
  `${formatTable([row('time', 'secondsPerStep'), row('of processors', 'processorSecondsPerStep')], {
    head,
    align: ['left', 'right', 'right', 'right'],
  })}\n`,
);
