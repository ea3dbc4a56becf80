/** The pages that the server shows for a run: its report, and its validations as tables. */
import { basename } from 'node:path';
import { hidePaths } from '../core/hide-paths.ts';
import { formatCount, formatDuration, formatPercent, hasTop5 } from '../report/format.ts';
import { formatRunPage } from '../report/html/run-page.ts';
import { formatCard } from '../report/model-card.ts';
import type { RunReport } from '../report/run-report.ts';
import { readMetrics, validationsOf } from '../runs/metrics-file.ts';
import { readRunDescription, runFolder } from '../runs/run-folder.ts';
import { classesOf } from '../serve/runs/run-models.ts';
import type { RunPages, Table } from '../serve/runs/run-reports.ts';
import type { ValidationMetrics } from '../train/metrics.ts';
import { describeRunModel } from './describe-run-model.ts';
import { reportRun } from './report-run.ts';
import { validationImages } from './validation-images.ts';

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
    validationImages,
    card: async (folder) => {
      const card = await describeRunModel({ run: folder });
      return formatCard({ ...card, recipe: hidePaths(card.recipe) });
    },
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
  const { metricsFile, lastFile } = runFolder(folder);
  const { all, best, last } = validationsOf(await readMetrics(metricsFile));
  const classes = await classesOf(lastFile);
  const areBoxes = recipe.task === 'localize';
  const withTop5 = !areBoxes && (classes === undefined || hasTop5(classes));
  const errors = [areBoxes ? 'box error %' : 'top-1 error %', ...(withTop5 ? ['top-5 error %'] : [])];
  if (!best || !last) return [];
  const name = `${recipe.config}${recipe.width === 1 ? '' : `, width ${recipe.width}`}`;
  return [
    {
      title: 'Best and last checkpoint',
      columns: ['network', 'checkpoint', 'iteration', 'split', 'images', ...errors, 'loss'],
      rows: [
        [name, 'best', ...cellsOf(best, withTop5)],
        [name, 'last', ...cellsOf(last, withTop5)],
      ],
    },
    {
      title: 'Validations',
      columns: ['epoch', 'iteration', 'split', 'images', ...errors, 'loss', 'learning rate', 'time'],
      rows: all.map((line) => [
        line.epoch.toFixed(1),
        ...cellsOf(line, withTop5),
        Number(line.learningRate.toPrecision(3)),
        formatDuration(line.seconds),
      ]),
    },
  ];
}

function cellsOf(
  { iteration, split, images, top1Error, top5Error, loss }: ValidationMetrics,
  withTop5: boolean,
): string[] {
  return [
    formatCount(iteration),
    split ?? 'unknown',
    formatCount(images),
    formatPercent(top1Error),
    ...(withTop5 ? [formatPercent(top5Error)] : []),
    loss.toFixed(4),
  ];
}
