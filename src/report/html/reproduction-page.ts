/** A reproduction of section 4 as one HTML page: Tables 3 to 7, the claims, and how each net was trained. */
import * as Plot from '@observablehq/plot';
import type { ClaimResult } from '../../reproduce/claims.ts';
import {
  introduction,
  type LinkCell,
  type Reproduction,
  type ReproductionTable,
  tablesOf,
  timeTable,
} from '../../reproduce/reproduction-tables.ts';
import { validationsOf } from '../../runs/metrics-file.ts';
import type { Metrics } from '../../train/metrics.ts';
import { formatCount, formatDuration, formatErrors, formatSplit } from '../format.ts';
import { draw, drawScrolled } from './charts.ts';
import { escapeHtml, factRow, htmlDocument } from './document.ts';

export function formatReproductionPage(reproduction: Reproduction): string {
  const { plan, trainings, claims, seeds } = reproduction;
  const all = [...trainings, ...seeds[0]!.longer];
  const body = [
    ...introduction(reproduction).map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`),
    ...[...tablesOf(reproduction), ...timeTable(reproduction)].map(formatTable),
    '<h2>Differences behind the claims</h2>',
    '<p>Second top-1 error minus the first, with the 95 % confidence interval. Left of the line, the second is better.</p>',
    claimsChart(claims),
    '<h2>Trainings</h2>',
    ...plan.stages.map((_, stage) => stageCurve(stage, reproduction)),
    ...all.map(({ id }) => formatTraining(id, reproduction)),
  ];
  return htmlDocument(plan.title, body.join('\n'));
}

function formatTable({ title, head, rows, note }: ReproductionTable): string {
  const heading = `<h2>${escapeHtml(title)}</h2>`;
  if (rows.length === 0) return `${heading}\n<p>Not part of this plan.</p>`;
  const titles = head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('');
  const body = rows.map((cells) => `<tr>${cells.map(formatCell).join('')}</tr>`).join('\n');
  return `${heading}
<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(title)}"><table class="figures"><thead><tr>${titles}</tr></thead><tbody>
${body}
</tbody></table></div>
${note ? `<p><small>${escapeHtml(note)}</small></p>` : ''}`;
}

const VERDICTS: readonly string[] = ['holds', 'does not hold', 'not decided', 'not measured'];

function formatCell(cell: string | LinkCell): string {
  const { text, training }: LinkCell = typeof cell === 'string' ? { text: cell } : cell;
  if (training !== undefined) {
    return `<td><a href="#${escapeHtml(training)}">${escapeHtml(text)}</a></td>`;
  }
  if (!VERDICTS.includes(text)) return `<td>${escapeHtml(text)}</td>`;
  return `<td class="verdict ${text.replaceAll(' ', '-')}">${escapeHtml(text)}</td>`;
}

/** Every measured difference as a point with its interval. */
function claimsChart(claims: readonly ClaimResult[]): string {
  const points = claims.flatMap(({ compared, result, verdict }) =>
    result
      ? {
          compared,
          verdict,
          difference: 100 * result.difference,
          low: 100 * result.low,
          high: 100 * result.high,
        }
      : [],
  );
  if (points.length === 0) return '';
  return drawScrolled('Differences behind the claims', {
    height: 60 + 22 * points.length,
    marginLeft: 330,
    x: { label: 'difference in top-1 error, percentage points', grid: true },
    y: { label: null, domain: points.map(({ compared }) => compared) },
    color: {
      legend: true,
      domain: ['holds', 'does not hold', 'not decided'],
      range: ['var(--good)', 'var(--bad)', 'var(--ink-soft)'],
    },
    marks: [
      Plot.axisY({ label: null, lineWidth: 31, textOverflow: 'ellipsis' }),
      Plot.ruleX([0]),
      Plot.ruleY(points, { x1: 'low', x2: 'high', y: 'compared', stroke: 'verdict', strokeWidth: 2 }),
      Plot.dot(points, { x: 'difference', y: 'compared', fill: 'verdict', r: 4 }),
    ],
  });
}

/** Training errors are averaged over a window of this fraction of the points, since single batches are noisy. */
const SMOOTHED = 1 / 20;

/** Errors of a stage's nets by epoch: lines in training, dots in validation, for each seed. */
function stageCurve(stage: number, { seeds, records }: Reproduction): string {
  const trainings = seeds.flatMap(({ prefix, trainings: own }) =>
    own
      .filter((training) => training.stage === stage)
      .map((training) => ({ ...training, run: prefix + training.id })),
  );
  const pointsOf = (kind: Metrics['kind']) =>
    trainings.map(({ run, net }) =>
      records
        .get(run)!
        .metrics.filter((line) => line.kind === kind)
        .map(({ epoch, top1Error }) => ({ net, run, epoch, error: 100 * top1Error })),
    );
  const validations = pointsOf('validation').flat();
  if (validations.length === 0) return '';
  const chart = draw({
    height: 320,
    x: { label: 'epoch', grid: true, zero: true },
    y: { label: 'top-1 error, %', grid: true, zero: true },
    color: { legend: true, scheme: 'tableau10', domain: [...new Set(trainings.map(({ net }) => net))] },
    marks: [
      ...pointsOf('train').map((points) =>
        Plot.lineY(
          points,
          Plot.windowY(Math.max(1, Math.round(points.length * SMOOTHED)), {
            x: 'epoch',
            y: 'error',
            z: 'run',
            stroke: 'net',
            strokeWidth: 1,
          }),
        ),
      ),
      Plot.lineY(validations, { x: 'epoch', y: 'error', z: 'run', stroke: 'net', strokeDasharray: '2,3' }),
      Plot.dot(validations, { x: 'epoch', y: 'error', fill: 'net', r: 3.5 }),
    ],
  });
  return `<h3>S = ${escapeHtml(trainings[0]!.recipe.scale)}</h3>
<p>Lines: training error, on augmented images and with dropout. Dots: validation error.</p>
${chart}`;
}

/** The runs of a training, one for each seed. */
function formatTraining(id: string, { seeds, records }: Reproduction): string {
  const runs = seeds.flatMap(({ prefix }) => {
    const record = records.get(prefix + id);
    return record ? [{ prefix, ...record }] : [];
  });
  const facts = runs.flatMap(({ prefix, metrics }): [string, string][] => {
    const last = metrics.at(-1);
    const validation = validationsOf(metrics).last;
    return [
      ['folder', `${prefix}runs/${id}`],
      ...(last
        ? [
            ['trained', `${formatCount(last.iteration)} iterations, ${formatDuration(last.seconds)}`] as [
              string,
              string,
            ],
          ]
        : []),
      ...(validation
        ? [
            [
              'last validation',
              `${formatErrors(validation)} (center crop, ${formatSplit(validation.split)})`,
            ] as [string, string],
          ]
        : []),
    ];
  });
  return `<section id="${escapeHtml(id)}">
<h3>${escapeHtml(id)}</h3>
<table>${facts.map(([name, value]) => factRow(name, value)).join('')}</table>
<details><summary>Recipe</summary><pre tabindex="0">${escapeHtml(runs[0]?.recipe ?? '')}</pre></details>
</section>`;
}
