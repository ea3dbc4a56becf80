/** Charts as SVG, drawn by Observable Plot without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Metrics } from '../../train/metrics.ts';
import { type RunReport, worstClasses } from '../run-report.ts';

const WIDTH = 640;
const HEIGHT = 300;

export function draw(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<html><body></body></html>');
  const figure = Plot.plot({
    ...options,
    document: document as unknown as NonNullable<Plot.PlotOptions['document']>,
    width: WIDTH,
  });
  return (figure as unknown as { outerHTML: string }).outerHTML;
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
    color: { legend: true, domain: ['train', 'validation'], range: ['#8aa4c8', '#c2410c'] },
    marks: [
      Plot.lineY(points, { x: 'epoch', y: 'value', stroke: 'images' }),
      Plot.dot(
        points.filter(({ images }) => images === 'validation'),
        { x: 'epoch', y: 'value', fill: 'images', r: 2.5 },
      ),
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
    marks: [Plot.lineY(points, { x: 'epoch', y: 'learningRate', curve: 'step-before' })],
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
    marks: [Plot.barX(bars, { x: 'error', y: 'label', fill: '#c2410c' })],
  });
}

/** The confusion matrix of up to 40 classes, or '' for more. */
export function confusionChart({ confusion, labels }: RunReport): string {
  if (labels.length > CLASSES_SHOWN) return '';
  const most = confusion.reduce((a, b) => Math.max(a, b), 0);
  const cells = labels.flatMap((truth, t) =>
    labels.map((predicted, p) => ({ truth, predicted, images: confusion[t * labels.length + p]! })),
  );
  return draw({
    height: 140 + 26 * labels.length,
    marginLeft: 140,
    marginBottom: 120,
    padding: 0,
    x: { label: 'predicted class', domain: [...labels], tickRotate: -45 },
    y: { label: 'true class', domain: [...labels] },
    color: { type: 'sqrt', scheme: 'oranges', label: 'images' },
    marks: [
      Plot.cell(cells, { x: 'predicted', y: 'truth', fill: 'images' }),
      Plot.text(
        cells.filter(({ images }) => images > 0),
        {
          x: 'predicted',
          y: 'truth',
          text: 'images',
          fontSize: 9,
          fill: ({ images }: { images: number }) => (images > most / 4 ? 'white' : 'black'),
        },
      ),
    ],
  });
}
