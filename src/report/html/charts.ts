/** Charts as SVG, drawn by Observable Plot without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Metrics } from '../../train/metrics.ts';
import type { RunReport } from '../run-report.ts';

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

/** Loss against epochs, in training and validation. */
export function lossCurve(metrics: readonly Metrics[]): string {
  return curve(metrics, ({ loss }) => loss, 'loss');
}

/** Top-1 error in per cent against epochs. */
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

/** Learning rate against epochs, on a logarithmic scale. */
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

/** Most classes that a chart by class shows: the worst ones. */
const CLASSES_SHOWN = 40;

/** Top-1 error of each class in per cent, worst first. */
export function classErrors({ byClass, labels }: RunReport): string {
  const bars = byClass
    .map(({ images, top1Errors }, index) => ({
      label: labels[index]!,
      images,
      error: (100 * top1Errors) / images,
    }))
    .filter(({ images }) => images > 0)
    .sort((a, b) => b.error - a.error)
    .slice(0, CLASSES_SHOWN);
  return draw({
    height: 40 + 20 * bars.length,
    marginLeft: 140,
    x: { label: 'top-1 error, %', grid: true, zero: true },
    y: { label: null, domain: bars.map(({ label }) => label) },
    marks: [Plot.barX(bars, { x: 'error', y: 'label', fill: '#c2410c' })],
  });
}

/** The confusion matrix of up to 40 classes: rows are true classes, columns what was predicted. */
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
    x: { label: 'predicted', domain: [...labels], tickRotate: -45 },
    y: { label: 'true', domain: [...labels] },
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
