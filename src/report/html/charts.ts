/** Charts as SVG, drawn by Observable Plot without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Metrics } from '../../train/metrics.ts';
import { type RunReport, worstClasses } from '../run-report.ts';
import { escapeHtml } from './document.ts';

/** Widths in pixels; the page shows the one that fits, so that labels stay readable on phones. */
const WIDTHS = { wide: 720, narrow: 340 } as const;
const HEIGHT = 300;
/** The most that labels take from a narrow chart. */
const NARROW_MARGIN = 96;
/** Colors of document.ts, which follow the reader's light or dark setting. */
const SERIES = Array.from({ length: 8 }, (_, i) => `var(--series-${i + 1})`);

/** Draws a chart for wide and for narrow screens. */
export function draw(options: Plot.PlotOptions): string {
  const margin = Math.min(options.marginLeft ?? 40, NARROW_MARGIN);
  const narrow = drawOnce({ ...options, marginLeft: margin, width: WIDTHS.narrow });
  return `<div class="wide">${drawOnce({ ...options, width: WIDTHS.wide })}</div><div class="narrow">${narrow}</div>`;
}

/** Draws a chart that keeps its width, and scrolls on narrow screens. @param label another for each on a page */
export function drawScrolled(label: string, options: Plot.PlotOptions): string {
  return `<div class="scroll matrix" tabindex="0" role="region" aria-label="${escapeHtml(label)}">${drawOnce({ width: WIDTHS.wide, ...options })}</div>`;
}

function drawOnce(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>');
  const figure = Plot.plot({
    ...options,
    document: document as unknown as NonNullable<Plot.PlotOptions['document']>,
  });
  const drawn = figure as unknown as Drawn;
  // Plot labels its groups, which have no role; the drawing as a whole has a role and a label instead.
  for (const group of drawn.querySelectorAll('g[aria-label], g[aria-description]')) {
    group.removeAttribute('aria-label');
    group.removeAttribute('aria-description');
  }
  for (const swatch of drawn.querySelectorAll('[class*="swatch"] svg'))
    swatch.setAttribute('aria-hidden', 'true');
  const chart = drawn.matches('svg') ? drawn : [...drawn.querySelectorAll('svg')].at(-1);
  chart?.setAttribute('role', 'img');
  chart?.setAttribute('aria-label', labelOf(options));
  return drawn.outerHTML;
}

/** As much of an element as is used here. */
interface Drawn {
  readonly outerHTML: string;
  matches(selector: string): boolean;
  querySelectorAll(selector: string): Iterable<Drawn>;
  setAttribute(name: string, value: string): void;
  removeAttribute(name: string): void;
}

function labelOf({ x, y }: Plot.PlotOptions): string {
  const names = [y?.label, x?.label].filter((label) => typeof label === 'string');
  return names.length > 0 ? `Chart: ${names.join(' by ')}` : 'Chart';
}

/** Training and validation loss by epoch. */
export function lossCurve(metrics: readonly Metrics[]): string {
  return curve(metrics, ({ loss }) => loss, 'loss');
}

/** Training and validation top-1 error by epoch, in per cent. */
export function errorCurve(metrics: readonly Metrics[]): string {
  return curve(metrics, ({ top1Error }) => 100 * top1Error, 'top-1 error, %');
}

function curve(metrics: readonly Metrics[], value: (line: Metrics) => number, label: string): string {
  const points = metrics.map((line) => ({ epoch: line.epoch, value: value(line), images: line.kind }));
  return draw({
    height: HEIGHT,
    x: { label: 'epoch', grid: true },
    y: { label, grid: true, zero: true },
    color: { legend: true, domain: ['train', 'validation'], range: SERIES.slice(0, 2) },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'value', z: 'images', stroke: 'images' }),
      Plot.dot(
        points.filter(({ images }) => images === 'validation'),
        { x: 'epoch', y: 'value', fill: 'images', r: 2.5 },
      ),
    ],
  });
}

/** The validation errors of several runs by epoch. */
export function comparedCurves(reports: readonly RunReport[]): string {
  const points = reports.flatMap(({ run, metrics }) =>
    metrics
      .filter(({ kind }) => kind === 'validation')
      .map(({ epoch, top1Error }) => ({ run, epoch, error: 100 * top1Error })),
  );
  return draw({
    height: HEIGHT,
    x: { label: 'epoch', grid: true },
    y: { label: 'validation top-1 error, %', grid: true, zero: true, nice: true },
    color: { legend: true, domain: reports.map(({ run }) => run), range: SERIES },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'error', z: 'run', stroke: 'run' }),
      Plot.dot(points, { x: 'epoch', y: 'error', fill: 'run', r: 2.5 }),
    ],
  });
}

/** Learning rate by epoch, on a logarithmic scale. */
export function rateCurve(metrics: readonly Metrics[]): string {
  const points = metrics.map(({ epoch, learningRate }) => ({ epoch, learningRate }));
  return draw({
    height: HEIGHT / 2,
    x: { label: 'epoch', grid: true },
    y: { label: 'learning rate', type: 'log', grid: true, tickFormat: (rate: number) => String(rate) },
    marginLeft: 60,
    marks: [Plot.lineY(points, { x: 'epoch', y: 'learningRate', curve: 'step-before', stroke: SERIES[0]! })],
  });
}

/** Most classes that a chart shows. */
const CLASSES_SHOWN = 40;

/** Top-1 error of the worst classes in per cent. */
export function classErrors(report: RunReport): string {
  const bars = worstClasses(report, CLASSES_SHOWN).map(({ label, error }) => ({ label, error: 100 * error }));
  return draw({
    height: 40 + 20 * bars.length,
    marginLeft: 140,
    x: { label: 'top-1 error, %', grid: true, zero: true },
    y: { label: null, domain: bars.map(({ label }) => label) },
    marks: [Plot.barX(bars, { x: 'error', y: 'label', fill: SERIES[1]! })],
  });
}

/** The confusion matrix of up to 40 classes, or '' for more. */
export function confusionChart({ run, confusion, labels }: RunReport): string {
  if (labels.length > CLASSES_SHOWN) return '';
  const cells = labels.flatMap((truth, t) =>
    labels.map((predicted, p) => ({ truth, predicted, images: confusion[t * labels.length + p]! })),
  );
  // Cells need their width: on narrow screens the matrix scrolls.
  return drawScrolled(`Confusion matrix of ${run}`, {
    width: Math.max(WIDTHS.narrow, 180 + 26 * labels.length),
    height: 140 + 26 * labels.length,
    marginLeft: 140,
    marginBottom: 120,
    padding: 0,
    x: { label: 'predicted class', domain: [...labels], tickRotate: -45 },
    y: { label: 'true class', domain: [...labels] },
    opacity: { type: 'sqrt' },
    marks: [
      Plot.cell(cells, { x: 'predicted', y: 'truth', fill: SERIES[1]!, fillOpacity: 'images' }),
      Plot.text(
        cells.filter(({ images }) => images > 0),
        {
          x: 'predicted',
          y: 'truth',
          text: 'images',
          fontSize: 10,
          // Readable on every cell, in light and dark.
          fill: 'var(--ink)',
          stroke: 'var(--panel)',
          strokeWidth: 3,
        },
      ),
    ],
  });
}
