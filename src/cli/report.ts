import type { Command } from 'commander';
import { reportRun } from '../api/report-run.ts';
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

/** `vgg report`: curves, errors by class, mistakes. */
export function reportCommand(): Command {
  return newCommand('report', {
    description: 'Show how runs went: curves, errors by class, confusions, the worst mistakes, filters.',
    examples: ['report runs/photos', 'report runs/a runs/b --out report.html'],
  })
    .argument('<runs...>', 'run folders')
    .option('--data <folder>', "labelled images (default: the validation images of each run's data)")
    .option('--out <file>', 'write an HTML page that needs nothing else, with pictures')
    .option('--mistakes <n>', 'mistakes to show', positiveInteger, 12)
    .addOption(threadsOption())
    .action(report);
}

async function report(runs: string[], { data, out, mistakes, threads }: Flags): Promise<void> {
  const reports = await untilInterrupted(async (signal) => {
    const gathered: RunReport[] = [];
    for (const run of runs) gathered.push(await reportOne(run, { data, mistakes, threads, signal }));
    return gathered;
  });
  if (out !== undefined) {
    await writeFileAtomically(out, formatRunPage(`verydeep: ${runs.join(', ')}`, reports));
    log(`the report is in ${out}`);
  }
  printResult(reports.map(formatTerminalReport).join('\n\n'));
}

interface Request {
  readonly data: string | undefined;
  readonly mistakes: number;
  readonly threads: number | undefined;
  readonly signal: AbortSignal;
}

async function reportOne(run: string, { data, mistakes, threads, signal }: Request): Promise<RunReport> {
  let bar: ProgressBar | undefined;
  try {
    return await reportRun({
      run,
      mistakes,
      signal,
      data,
      threads,
      onProgress: ({ done, total, top1Error }) => {
        bar ??= new ProgressBar(`evaluating ${run}`, total, { done: done - 1 });
        bar.update(done, `top-1 error ${formatPercent(top1Error)} %`);
      },
    });
  } finally {
    bar?.stop();
  }
}
