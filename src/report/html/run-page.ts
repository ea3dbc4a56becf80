/** A report of training runs as one HTML page. */
import { formatCount, formatPercent } from '../format.ts';
import type { Mistake, RunReport } from '../run-report.ts';
import { classErrors, confusionChart, errorCurve, lossCurve, rateCurve } from './charts.ts';
import { escapeHtml, factRow, htmlDocument, pngUrl } from './document.ts';

/** The whole page. */
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
<p>The weights of conv1_1, each filter scaled to its own range.</p>
<img class="filters" alt="Filters of the first layer" src="${pngUrl(report.filters)}">
<h3>Recipe</h3>
<pre>${escapeHtml(report.recipe)}</pre>
</section>`;
}

function formatEvaluation({ evaluation }: RunReport): string {
  if (!evaluation) return '';
  const { images, top1Error, top5Error, protocol, scales, loss } = evaluation;
  return `<p><strong>Top-1 error ${formatPercent(top1Error)} %, top-5 error ${formatPercent(top5Error)} %</strong>
on ${formatCount(images)} images (${escapeHtml(protocol)}, Q = ${scales.join(', ')}; loss ${loss.toFixed(4)}).</p>`;
}

function formatConfusion(report: RunReport): string {
  const chart = confusionChart(report);
  if (chart !== '') return `<h3>Confusion matrix</h3>\n${chart}`;
  const rows = mostConfused(report)
    .map(
      ({ truth, predicted, images }) =>
        `<tr><td>${escapeHtml(truth)}</td><td>${escapeHtml(predicted)}</td><td>${images}</td></tr>`,
    )
    .join('');
  return `<h3>Most frequent confusions</h3><table><tr><th>true</th><th>predicted</th><th>images</th></tr>${rows}</table>`;
}

export interface Confusion {
  readonly truth: string;
  readonly predicted: string;
  readonly images: number;
}

/** The pairs of classes that are mistaken for each other most. */
export function mostConfused({ confusion, labels }: RunReport, count = 20): Confusion[] {
  const pairs: Confusion[] = [];
  confusion.forEach((images, at) => {
    const [t, p] = [Math.floor(at / labels.length), at % labels.length];
    if (t !== p && images > 0) pairs.push({ truth: labels[t]!, predicted: labels[p]!, images });
  });
  return pairs.sort((a, b) => b.images - a.images).slice(0, count);
}

function formatMistakes(mistakes: readonly Mistake[]): string {
  if (mistakes.length === 0) return '';
  const figures = mistakes.map(
    ({ name, label, predicted, probability, labelProbability, picture, scoreMap }) => `<figure>
<img alt="${escapeHtml(label)}" src="${pngUrl(picture)}"> <img alt="Score map of ${escapeHtml(predicted)}" src="${pngUrl(scoreMap)}">
<figcaption>${escapeHtml(label)} (${formatPercent(labelProbability)} %), taken for ${escapeHtml(predicted)} (${formatPercent(probability)} %)<br><small>${escapeHtml(name)}</small></figcaption>
</figure>`,
  );
  return `<h3>The worst mistakes</h3>
<p>Where the model is surest and wrong. On the right, where it sees the class that it named: the dense score map of that class.</p>
<div class="mistakes">${figures.join('\n')}</div>`;
}
