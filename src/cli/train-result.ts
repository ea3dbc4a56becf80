import type { TrainOutcome } from '../api/train-network.ts';
import { formatCount, formatDuration, formatPercent } from '../report/format.ts';
import { formatTable } from '../report/table.ts';

const REASONS = {
  iterations: 'completed all iterations',
  plateau: 'validation error stopped improving after the last drop of the learning rate',
  interrupted: 'interrupted',
} as const;

/** The outcome of a training run as a table. */
export function formatTrainOutcome({
  run,
  reason,
  iterations,
  seconds,
  best,
  last,
  lastModel,
}: TrainOutcome): string {
  const rows = [
    ['run', run],
    ['ended because', REASONS[reason]],
    ['trained', `${formatCount(iterations)} iterations in ${formatDuration(seconds)}`],
  ];
  if (last) {
    rows.push(
      ['last model', lastModel],
      [
        'validation error',
        `top-1 ${formatPercent(last.top1Error)} %, top-5 ${formatPercent(last.top5Error)} %`,
      ],
    );
  }
  if (best) {
    rows.push(
      ['best model', best.model],
      [
        'validation error',
        `top-1 ${formatPercent(best.top1Error)} %, at iteration ${formatCount(best.iteration)}`,
      ],
    );
  }
  return formatTable(rows);
}
