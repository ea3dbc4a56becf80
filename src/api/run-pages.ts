/** What a server shows of a run: the report as a page, and its results as tables. */

import { basename } from 'node:path';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatPage } from '../report/html/page.ts';
import type { RunReport } from '../report/run-report.ts';
import { readMetrics } from '../runs/metrics-file.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import type { RunPages, Table } from '../serve/runs/reports.ts';
import type { Metrics, ValidationMetrics } from '../train/metrics.ts';
import { reportRun } from './report-run.ts';

/** @param threads of evaluations for reports (default: all cores) */
export function runPages(threads?: number): RunPages {
  return {
    report: async (folder, onProgress, signal) => {
      const report = await reportRun({
        run: folder,
        signal,
        threads,
        onProgress: ({ done, total }) => onProgress(done, total),
      });
      return formatPage(`verydeep: ${basename(folder)}`, [await withoutPlaces(report)]);
    },
    tables: runTables,
  };
}

/** The report as a stranger may see it: names of files, and not where they are. */
async function withoutPlaces(report: RunReport): Promise<RunReport> {
  const { data } = await readRunDescription(report.run);
  const shorten = (text: string) => text.replaceAll(data, basename(data));
  return {
    ...report,
    run: basename(report.run),
    facts: report.facts.map(([key, value]) => [key, shorten(value)]),
    mistakes: report.mistakes.map((mistake) => ({ ...mistake, name: shorten(mistake.name) })),
  };
}

/** Its best and last validation, and all of them. */
export async function runTables(folder: string): Promise<Table[]> {
  const { recipe } = await readRunDescription(folder);
  const metrics = await readMetrics(runFolder(folder).metricsFile).catch((): Metrics[] => []);
  const validations = metrics.filter((line) => line.kind === 'validation');
  const last = validations.at(-1);
  if (!last) return [];
  const best = validations.reduce((a, b) => (b.top1Error < a.top1Error ? b : a));
  const name = `${recipe.config}${recipe.width === 1 ? '' : `, width ${recipe.width}`}`;
  return [
    {
      title: 'Validation error of its models',
      columns: ['network', 'model', 'iteration', 'images', 'top-1 error %', 'top-5 error %', 'loss'],
      rows: [
        [name, 'best', ...figures(best)],
        [name, 'last', ...figures(last)],
      ],
    },
    {
      title: 'Validations',
      columns: ['epoch', 'iteration', 'images', 'top-1 error %', 'top-5 error %', 'loss', 'rate', 'time'],
      rows: validations.map((line) => [
        line.epoch.toFixed(1),
        ...figures(line),
        line.learningRate,
        formatDuration(line.seconds),
      ]),
    },
  ];
}

function figures({ iteration, images, top1Error, top5Error, loss }: ValidationMetrics): string[] {
  return [
    formatCount(iteration),
    formatCount(images),
    formatPercent(top1Error),
    formatPercent(top5Error),
    loss.toFixed(4),
  ];
}
