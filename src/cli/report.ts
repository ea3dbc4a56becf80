import type { Command } from 'commander';
import { type ReportOptions, reportRun } from '../api/report-run.ts';
import { writeFileAtomically } from '../core/atomic-file.ts';
import { formatPercent } from '../report/format.ts';
import { formatRunPage } from '../report/html/run-page.ts';
import type { RunReport } from '../report/run-report.ts';
import { formatTerminalReport } from '../report/terminal-report.ts';
import { newCommand } from './command.ts';
import { untilInterrupted } from './interrupt.ts';
import { positiveInteger, threadsOption } from './options.ts';
import { log, printResult } from './output.ts';
import { ProgressBar } from './progress.ts';

interface Flags {
  readonly data?: string;
  readonly out?: string;
  readonly mistakes: number;
  readonly threads?: number;
}

/** `vgg report`: learning curves, errors by class, mistakes. */
export function reportCommand(): Command {
  return newCommand('report', {
    description:
      'Report on runs: learning curves, errors by class, confusions, most confident mistakes and first-layer filters.',
    examples: ['report runs/photos', 'report runs/a runs/b --out report.html'],
  })
    .argument('<runs...>', 'run folders')
    .option(
      '--data <folder>',
      "labeled images to evaluate (default: the validation images of each run's data)",
    )
    .option('--out <file.html>', 'also write one self-contained HTML page with pictures')
    .option('--mistakes <n>', 'mistakes to show on the page', positiveInteger, 12)
    .addOption(threadsOption())
    .action(report);
}

async function report(runs: string[], { out, ...options }: Flags): Promise<void> {
  const reports = await untilInterrupted(async (signal) => {
    const gathered: RunReport[] = [];
    for (const run of runs) gathered.push(await reportOne({ ...options, run, signal }));
    return gathered;
  });
  if (out !== undefined) {
    await writeFileAtomically(out, formatRunPage(`verydeep: ${runs.join(', ')}`, reports));
    log(`Wrote the report to ${out}`);
  }
  printResult(reports.map(formatTerminalReport).join('\n\n'));
}

async function reportOne(options: ReportOptions): Promise<RunReport> {
  let bar: ProgressBar | undefined;
  try {
    return await reportRun({
      ...options,
      onProgress: ({ done, total, top1Error }) => {
        bar ??= new ProgressBar(`evaluating ${options.run}`, total, { done: done - 1 });
        bar.update(done, `top-1 error ${formatPercent(top1Error)} %`);
      },
    });
  } finally {
    bar?.stop();
  }
}
