/** The pages that the server shows for a run: its report, and its validations as tables. */
import { basename } from 'node:path';
import { hidePaths } from '../core/hide-paths.ts';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatRunPage } from '../report/html/run-page.ts';
import type { RunReport } from '../report/run-report.ts';
import { readMetrics, validationsOf } from '../runs/metrics-file.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { RunPages, Table } from '../serve/runs/run-reports.ts';
import type { ValidationMetrics } from '../train/metrics.ts';
import { reportRun } from './report-run.ts';

/** @param threads number of threads for evaluations in reports (default: all cores) */
export function runPages(threads?: number): RunPages {
  return {
    report: async (folder, onProgress, signal) => {
      const report = await reportRun({
        run: folder,
        signal,
        threads,
        onProgress: ({ done, total }) => onProgress(done, total),
      });
      return formatRunPage(`verydeep: ${basename(folder)}`, [hideReportPaths(report)]);
    },
    tables: runTables,
  };
}

/** Readers elsewhere see names, but no folders of this machine. */
function hideReportPaths(report: RunReport): RunReport {
  return {
    ...report,
    run: basename(report.run),
    recipe: hidePaths(report.recipe),
    facts: report.facts.map(([key, value]) => [key, key === 'data' ? basename(value) : value]),
  };
}

async function runTables(folder: string): Promise<Table[]> {
  const { recipe } = await readRunDescription(folder);
  const { all, best, last } = validationsOf(await readMetrics(runFolder(folder).metricsFile));
  if (!best || !last) return [];
  const name = `${recipe.config}${recipe.width === 1 ? '' : `, width ${recipe.width}`}`;
  return [
    {
      title: 'Best and last checkpoint',
      columns: [
        'network',
        'checkpoint',
        'iteration',
        'split',
        'images',
        'top-1 error %',
        'top-5 error %',
        'loss',
      ],
      rows: [
        [name, 'best', ...cellsOf(best)],
        [name, 'last', ...cellsOf(last)],
      ],
    },
    {
      title: 'Validations',
      columns: [
        'epoch',
        'iteration',
        'split',
        'images',
        'top-1 error %',
        'top-5 error %',
        'loss',
        'learning rate',
        'time',
      ],
      rows: all.map((line) => [
        line.epoch.toFixed(1),
        ...cellsOf(line),
        line.learningRate,
        formatDuration(line.seconds),
      ]),
    },
  ];
}

function cellsOf({ iteration, split, images, top1Error, top5Error, loss }: ValidationMetrics): string[] {
  return [
    formatCount(iteration),
    split ?? 'unknown',
    formatCount(images),
    formatPercent(top1Error),
    formatPercent(top5Error),
    loss.toFixed(4),
  ];
}
