import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mostConfidentMistakes } from '../../../src/api/report-run.ts';
import { escapeHtml } from '../../../src/report/html/document.ts';
import { formatRunPage } from '../../../src/report/html/run-page.ts';
import { mostConfused, type RunReport } from '../../../src/report/run-report.ts';
import { formatComparison, formatTerminalReport, sparkline } from '../../../src/report/terminal-report.ts';
import { range } from '../../support/lists.ts';

const metrics = [1, 2, 3].flatMap((epoch) =>
  (['train', 'validation'] as const).map((kind) => ({
    kind,
    iteration: 10 * epoch,
    epoch,
    images: 100,
    loss: 3 / epoch,
    top1Error: 0.9 / epoch,
    top5Error: 0,
    learningRate: 0.01,
    imagesPerSecond: 1,
    seconds: epoch,
  })),
) as RunReport['metrics'];

const report: RunReport = {
  checkpoint: 'best',
  run: 'runs/<script>alert(1)</script>',
  facts: [['network', 'A & B']],
  recipe: 'config: A\n',
  metrics,
  labels: ['cat', 'dog', 'owl'],
  evaluation: {
    ...{ images: 6, loss: 0.5, top1Error: 0.5, top5Error: 0, meanClassError: 0.5 },
    ...{ protocol: 'dense', scales: [32], split: 'held-out', trainedOn: 54 },
  },
  byClass: [
    { images: 3, top1Errors: 2, top5Errors: 0 },
    { images: 3, top1Errors: 1, top5Errors: 0 },
    { images: 0, top1Errors: 0, top5Errors: 0 },
  ],
  confusion: Uint32Array.of(1, 2, 0, 0, 2, 1, 0, 0, 0),
  mistakes: [
    {
      name: 'a "b".jpg',
      label: 'cat',
      predicted: 'dog',
      probability: 0.9,
      labelProbability: 0.05,
      picture: Uint8Array.of(1, 2, 3),
      scoreMap: Uint8Array.of(4, 5, 6),
      evidence: 'from 1.0 (clear) to 90.0 % (red)',
    },
  ],
  filters: Uint8Array.of(7, 8, 9),
};

describe('the HTML report', () => {
  const page = formatRunPage('A title', [report]);

  it('needs nothing but itself: no script, and no address but those of names', () => {
    assert.doesNotMatch(page, /<script|<link|@import/i);
    assert.doesNotMatch(page, /(?:src|href)="(?!data:image\/png;base64,)/);
    assert.doesNotMatch(page, /url\((?!#)/);
  });

  it('shows text as text', () => {
    assert.ok(page.includes('runs/&lt;script&gt;alert(1)&lt;/script&gt;'));
    assert.ok(page.includes('A &amp; B'));
    assert.equal(escapeHtml('<a b="c">&'), '&lt;a b=&quot;c&quot;&gt;&amp;');
  });

  it('has curves, errors by class, the confusion matrix, mistakes and filters', () => {
    const headings = ['Learning curves', 'Error by class', 'Confusion matrix', 'Most confident mistakes'];
    for (const heading of [...headings, 'First-layer filters']) {
      assert.ok(page.includes(`<h3>${heading}</h3>`), heading);
    }
    // Three curves, the bars and the matrix; a legend may hold more.
    assert.ok((page.match(/<svg /g) ?? []).length >= 5);
    assert.ok(page.includes('data:image/png;base64,AQID'));
    assert.ok(page.includes('cat (5.0 %), predicted as dog (90.0 %)'));
  });

  it('has no warning of the charts about a run with a single validation', () => {
    const short = { ...report, metrics: metrics.slice(1, 2) };
    const text = formatRunPage('short', [short]) + formatRunPage('two', [short, { ...short, run: 'other' }]);
    assert.doesNotMatch(text, /warning/i);
  });

  it('lists confusions instead of a matrix if there are many classes', () => {
    const labels = Array.from({ length: 50 }, (_, i) => `class ${i}`);
    const confusion = new Uint32Array(2500);
    confusion[3 * 50 + 7] = 5;
    const byClass = labels.map(() => ({ images: 1, top1Errors: 0, top5Errors: 0 }));
    const wide = formatRunPage('Wide', [{ ...report, labels, confusion, byClass }]);
    assert.ok(wide.includes('Most frequent confusions'));
    assert.ok(wide.includes('<td>class 3</td><td>class 7</td><td>5</td>'));
  });
});

describe('a report on several runs', () => {
  const facts = [
    ['network', 'B'],
    ['data', 'photos'],
  ] as const;
  const first = {
    ...report,
    run: 'runs/a',
    facts: [
      ['network', 'A'],
      ['data', 'photos'],
    ],
  } as const;
  const runs = [first, { ...first, run: 'runs/b', facts, checkpoint: 'last' } as const];

  it('compares them in a table of what differs and in one chart', () => {
    const page = formatRunPage('Two', runs);
    const comparison = page.slice(page.indexOf('<h2>Comparison'), page.indexOf('<h2>runs/a'));
    assert.match(
      comparison,
      /<td>runs\/b<\/td><td>50\.0<\/td><td>18\.8–81\.2<\/td><td>6<\/td><td>last<\/td><td>B<\/td>/,
    );
    assert.doesNotMatch(comparison, /photos/);
    assert.match(comparison, /<svg /);
    const regions = [...page.matchAll(/role="region" aria-label="([^"]*)"/g)].map(([, name]) => name);
    assert.equal(new Set(regions).size, 3, 'each region has a name of its own');
    assert.doesNotMatch(formatRunPage('One', [first]), /Comparison/);
  });

  it('compares them in the terminal', () => {
    assert.match(formatComparison(runs), /│ runs\/b │ B +│ last +│ +6 │ +50\.0 │/);
  });
});

describe('the most confident mistakes', () => {
  it('are of different confusions first', () => {
    const mistake = (image: number, label: number, index: number, probability: number) => ({
      ...{ image, label, rank: 1, loss: 1, top: [{ index, probability }] },
    });
    const results = [
      mistake(0, 0, 1, 0.99),
      mistake(1, 0, 1, 0.98),
      mistake(2, 0, 1, 0.97),
      mistake(3, 2, 1, 0.6),
      { ...mistake(4, 1, 1, 1), rank: 0 },
    ];
    assert.deepEqual(
      mostConfidentMistakes(results, 3).map(({ image }) => image),
      [0, 3, 1],
    );
  });
});

describe('the report for the terminal', () => {
  it('shows the worst classes first, and only those with images', () => {
    const text = formatTerminalReport(report);
    assert.ok(text.indexOf('cat') < text.indexOf('dog'));
    assert.match(text, /top-1 error 50\.0 %/);
    assert.doesNotMatch(text.slice(text.indexOf('worst classes'), text.indexOf('most confused')), /owl/);
  });

  it('names the images of its errors, and the mean class error if classes differ much in size', () => {
    const errors = 'top-1 error 50.0 % (95 %: 18.8–81.2 %; chance 50.0 %)';
    const images = 'on 6 images (split: held-out; 54 others were trained on)';
    assert.ok(formatTerminalReport(report).includes(`${errors} ${images}`));
    const byClass = [5, 1, 0].map((images) => ({ images, top1Errors: 1, top5Errors: 0 }));
    const text = formatTerminalReport({ ...report, byClass });
    const unequal = errors.replace('chance 50.0', 'chance 16.7');
    assert.ok(text.includes(`${unequal}, mean class error 50.0 % ${images}`));
  });

  it('orders confusions by how often they happen', () => {
    assert.deepEqual(mostConfused(report, 10), [
      { truth: 'cat', predicted: 'dog', images: 2 },
      { truth: 'dog', predicted: 'owl', images: 1 },
    ]);
  });

  it('draws values as blocks', () => {
    assert.equal(sparkline([0, 4, 8]), '▁▅█');
    assert.equal(sparkline([]), '');
    assert.equal(sparkline([0, 0]), '▁▁');
    assert.equal([...sparkline(range(1000))].length, 60);
  });
});
