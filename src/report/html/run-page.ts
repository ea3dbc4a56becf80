/** A report on training runs as one HTML page. */
import { formatCount, formatInterval, formatPercent } from '../format.ts';
import {
  differingFacts,
  factOf,
  formatMethod,
  formatReportedErrors,
  type Mistake,
  mostConfused,
  type RunReport,
} from '../run-report.ts';
import { classErrors, comparedCurves, confusionChart, errorCurve, lossCurve, rateCurve } from './charts.ts';
import { escapeHtml, factRow, htmlDocument, pngUrl } from './document.ts';

export function formatRunPage(title: string, reports: readonly RunReport[]): string {
  const comparison = reports.length > 1 ? formatComparison(reports) : '';
  return htmlDocument(title, [comparison, ...reports.map(formatRun)].join('\n'));
}

/** Several runs in one table and one chart. */
function formatComparison(reports: readonly RunReport[]): string {
  const names = differingFacts(reports);
  const head = ['run', 'top-1 error, %', '95 % interval, %', 'images', 'checkpoint', ...names];
  const rows = reports.map((report) => {
    const { checkpoint, evaluation } = report;
    const { images, top1Error } = evaluation;
    return [
      ...[report.run, formatPercent(top1Error), formatInterval(top1Error, images)?.replace(' %', '') ?? '–'],
      ...[formatCount(images), checkpoint],
      ...names.map((name) => factOf(report, name)),
    ];
  });
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<section>
<h2>Comparison</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Comparison of runs"><table class="figures">${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table></div>
${comparedCurves(reports)}
<p class="hint">Validation error of the center crop by epoch. The errors in the table are those of dense evaluation.</p>
</section>`;
}

function formatRun(report: RunReport): string {
  return `<section>
<h2>${escapeHtml(report.run)}</h2>
<table>${report.facts.map(([name, value]) => factRow(name, value)).join('')}</table>
${formatEvaluation(report)}
<h3>Learning curves</h3>
${errorCurve(report.metrics)}
${lossCurve(report.metrics)}
${rateCurve(report.metrics)}
<h3>Error by class</h3>
${classErrors(report)}
${formatConfusion(report)}
${formatMistakes(report.mistakes)}
<h3>First-layer filters</h3>
<p>The weights of conv1_1; each filter is scaled to its range.</p>
<img class="filters" alt="Filters of the first layer" src="${pngUrl(report.filters)}">
<h3>Recipe</h3>
<pre tabindex="0">${escapeHtml(report.recipe)}</pre>
</section>`;
}

function formatEvaluation(report: RunReport): string {
  return `<p><strong>${escapeHtml(formatReportedErrors(report))}</strong><br>
${escapeHtml(formatMethod(report))}; loss ${report.evaluation.loss.toFixed(4)}</p>`;
}

/** Number of class pairs listed instead of a confusion matrix. */
const CONFUSIONS_SHOWN = 20;

function formatConfusion(report: RunReport): string {
  const chart = confusionChart(report);
  if (chart !== '') return `<h3>Confusion matrix</h3>\n${chart}`;
  const rows = mostConfused(report, CONFUSIONS_SHOWN)
    .map(
      ({ truth, predicted, images }) =>
        `<tr><td>${escapeHtml(truth)}</td><td>${escapeHtml(predicted)}</td><td>${images}</td></tr>`,
    )
    .join('');
  return `<h3>Most frequent confusions</h3><table><tr><th>true class</th><th>predicted as</th><th>images</th></tr>${rows}</table>`;
}

function formatMistakes(mistakes: readonly Mistake[]): string {
  if (mistakes.length === 0) return '';
  const figures = mistakes.map(
    ({ name, label, predicted, probability, labelProbability, picture, scoreMap, evidence }) => `<figure>
<img alt="${escapeHtml(label)}" src="${pngUrl(picture)}"> <img alt="Evidence for ${escapeHtml(predicted)}" src="${pngUrl(scoreMap)}">
<figcaption>${escapeHtml(label)} (${formatPercent(labelProbability)} %), predicted as ${escapeHtml(predicted)} (${formatPercent(probability)} %)<br><small>Evidence for ${escapeHtml(predicted)}: ${escapeHtml(evidence)}<br>${escapeHtml(name)}</small></figcaption>
</figure>`,
  );
  return `<h3>Most confident mistakes</h3>
<p>The wrong predictions with the highest probabilities, first one of each confusion. Right: the evidence for the predicted class.</p>
<div class="mistakes">${figures.join('\n')}</div>`;
}
