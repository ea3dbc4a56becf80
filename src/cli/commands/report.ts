import { reportRun } from '../../api/report-run.ts';
import { writeFileAtomically } from '../../core/atomic-file.ts';
import { formatRunPage } from '../../report/html/run-page.ts';
import type { RunReport } from '../../report/run-report.ts';
import { formatComparison, formatTerminalReport } from '../../report/terminal-report.ts';
import { choice, type FlagsOf, newCommand, option, outputFile } from '../command.ts';
import { dataLocation, dataOptions } from '../data-options.ts';
import { untilInterrupted } from '../interrupt.ts';
import { positiveInteger, threads } from '../options.ts';
import { log, printResult } from '../output.ts';
import { withBars } from '../progress.ts';
import { showEvaluation } from './evaluation-result.ts';

const options = {
  data: option('<folder>', "data set to evaluate (default: each run's data set; never its training images)"),
  ...dataOptions,
  out: outputFile('<file.html>', 'also write one self-contained HTML page with pictures'),
  checkpoint: choice(['best', 'last'], 'checkpoint to evaluate (default: best)'),
  mistakes: option('<n>', 'mistakes to show on the page', positiveInteger, '12'),
  threads,
};

/** `vgg report`: learning curves, errors by class, mistakes. */
export const command = newCommand('report', {
  description:
    'Report on runs: learning curves, errors by class, confusions, most confident mistakes and first-layer filters.',
  examples: ['report runs/demo', 'report runs/demo runs/mine --out report.html'],
  options,
})
  .argument('<runs...>', 'run folders')
  .action(report);

async function report(runs: string[], { out, ...flags }: FlagsOf<typeof options>): Promise<void> {
  const settings = { ...flags, data: dataLocation(flags.data, flags) };
  const reports: RunReport[] = [];
  await withBars((show) =>
    untilInterrupted(async (signal) => {
      for (const run of runs) {
        const onProgress = showEvaluation(show, `evaluating ${run}`);
        reports.push(await reportRun({ ...settings, run, signal, onProgress }));
      }
    }),
  );
  if (out !== undefined) {
    await writeFileAtomically(
      out,
      formatRunPage(`verydeep: ${reports.map(({ run }) => run).join(', ')}`, reports),
    );
    log(`Wrote the report to ${out}`);
  }
  const comparison = reports.length > 1 ? [formatComparison(reports)] : [];
  printResult([...reports.map(formatTerminalReport), ...comparison].join('\n\n'));
}
