/** A report on training runs as one HTML page. */
import { formatPercent } from '../format.ts';
import { formatReportedErrors, type Mistake, mostConfused, type RunReport } from '../run-report.ts';
import { classErrors, confusionChart, errorCurve, lossCurve, rateCurve } from './charts.ts';
import { escapeHtml, factRow, htmlDocument, pngUrl } from './document.ts';

export function formatRunPage(title: string, reports: readonly RunReport[]): string {
  return htmlDocument(title, reports.map(formatRun).join('\n'));
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
<pre>${escapeHtml(report.recipe)}</pre>
</section>`;
}

function formatEvaluation(report: RunReport): string {
  const { protocol, scales, loss } = report.evaluation;
  return `<p>Last model: <strong>${formatReportedErrors(report)}</strong>
(${escapeHtml(protocol)}, Q = ${scales.join(', ')}; loss ${loss.toFixed(4)}).</p>`;
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
    ({ name, label, predicted, probability, labelProbability, picture, scoreMap }) => `<figure>
<img alt="${escapeHtml(label)}" src="${pngUrl(picture)}"> <img alt="Score map of ${escapeHtml(predicted)}" src="${pngUrl(scoreMap)}">
<figcaption>${escapeHtml(label)} (${formatPercent(labelProbability)} %), predicted as ${escapeHtml(predicted)} (${formatPercent(probability)} %)<br><small>${escapeHtml(name)}</small></figcaption>
</figure>`,
  );
  return `<h3>Most confident mistakes</h3>
<p>The wrong predictions with the highest probabilities. Right: the dense score map of the predicted class.</p>
<div class="mistakes">${figures.join('\n')}</div>`;
}
