/** A report as one HTML file that needs nothing else: no script, no style sheet, no network. */
import { formatCount, formatPercent } from '../format.ts';
import type { Mistake, RunReport } from '../run-report.ts';
import { classErrors, confusionChart, errorCurve, lossCurve, rateCurve } from './charts.ts';

const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
figure, svg { max-width: 100%; background: #fff; color: #111; } pre { overflow-x: auto; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; }
.mistakes img { width: 48%; image-rendering: pixelated; } .filters { image-rendering: pixelated; max-width: 100%; }
`;

/** The whole page. */
export function formatPage(title: string, reports: readonly RunReport[]): string {
  const body = reports.map(formatRun).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
${body}
</body>
</html>
`;
}

function formatRun(report: RunReport): string {
  return `<section>
<h2>${escapeHtml(report.run)}</h2>
<table>${report.facts.map(([name, value]) => row(name, value)).join('')}</table>
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

function row(name: string, value: string): string {
  return `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`;
}

function pngUrl(png: Uint8Array): string {
  return `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);
}
