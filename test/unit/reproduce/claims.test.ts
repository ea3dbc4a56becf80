import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { projectFolder } from '../../../src/core/project.ts';
import { deriveKeys, keyOfSeed, RandomStream } from '../../../src/core/random.ts';
import { type ErrorsBySeed, pairedBootstrap, seedsToDecide } from '../../../src/reproduce/bootstrap.ts';
import { judgeClaims, type MeasuredExperiment, verdictOf } from '../../../src/reproduce/claims.ts';
import { planExperiments } from '../../../src/reproduce/experiments.ts';
import { parseReproductionPlan } from '../../../src/reproduce/reproduction-plan.ts';
import { planTrainings } from '../../../src/reproduce/training-order.ts';
import { pluck } from '../../support/lists.ts';

/** Errors at a rate; the same images err for the same seed. */
function errorsAt(rate: number, images: number, seed: number): boolean[] {
  const random = new RandomStream(keyOfSeed(seed));
  return Array.from({ length: images }, () => random.uniform() < rate);
}

const fixture = z.object({
  first: z.array(z.string()),
  second: z.array(z.string()),
  difference: z.number(),
  low: z.number(),
  high: z.number(),
});

function resultOf(first: ErrorsBySeed, second: ErrorsBySeed) {
  const { difference, low, high } = pairedBootstrap(first, second, keyOfSeed(1));
  return { difference, low, high };
}

describe('the paired bootstrap', () => {
  it('finds no difference between a model and itself', () => {
    const errors = errorsAt(0.3, 500, 1);
    assert.deepEqual(resultOf([errors], [errors]), { difference: 0, low: 0, high: 0 });
  });

  it('has the width that theory gives: 1.96 standard errors on each side', () => {
    const images = 4000;
    const [a, b] = [errorsAt(0.3, images, 1), errorsAt(0.25, images, 2)];
    const { difference, low, high } = pairedBootstrap([a], [b], keyOfSeed(1));
    const d = a.map((error, i) => Number(b[i]) - Number(error));
    const variance = d.reduce((sum, one) => sum + (one - difference) ** 2, 0) / images;
    const expected = 1.96 * Math.sqrt(variance / images);
    // 2,000 draws place a 2.5 % quantile to about 5 % of a standard error.
    assert.ok(Math.abs((high - low) / 2 / expected - 1) < 0.1);
    assert.ok(low < difference && difference < high);
  });

  it('covers the true difference in about 95 of 100 experiments', () => {
    let covered = 0;
    for (let seed = 0; seed < 200; seed++) {
      const [a, b] = [errorsAt(0.4, 300, 2 * seed), errorsAt(0.3, 300, 2 * seed + 1)];
      const { low, high } = pairedBootstrap([a], [b], keyOfSeed(seed));
      covered += Number(low <= -0.1 && -0.1 <= high);
    }
    // Binomial with p = 0.95: 200 experiments give 190 ± 3.1; four deviations.
    assert.ok(covered >= 177 && covered <= 200, `${covered} of 200`);
  });

  it('handles a pair in which every image changed', () => {
    assert.deepEqual(resultOf([[true, true]], [[false, false]]), { difference: -1, low: -1, high: -1 });
  });

  it('refuses images that are not paired', () => {
    for (const second of [[[]], [], [[true], [true]]]) {
      assert.throws(() => pairedBootstrap([[true]], second, keyOfSeed(1)), RangeError);
    }
  });
});

/** Errors of nets whose rate moves from seed to seed by a normal deviation; images differ in difficulty. */
function errorsBySeed(rate: number, deviation: number, seeds: number, seed: number): boolean[][] {
  const random = new RandomStream(deriveKeys(keyOfSeed(seed), 'nets'));
  const difficulty = Array.from({ length: 400 }, (_, image) =>
    new RandomStream(deriveKeys(keyOfSeed(seed >> 1), 'image', image)).uniform(),
  );
  return Array.from({ length: seeds }, () => {
    const own = rate + deviation * random.normal();
    return difficulty.map((hard) => random.uniform() < own + 0.3 * (hard - 0.5));
  });
}

describe('the bootstrap over seeds and images', () => {
  it('covers the true difference in about 95 of 100 experiments with three seeds, where images alone do not', () => {
    let [covered, coveredByImages] = [0, 0];
    for (let trial = 0; trial < 200; trial++) {
      const [a, b] = [0.5, 0.4].map((rate, i) => errorsBySeed(rate, 0.03, 3, 2 * trial + i)) as [
        boolean[][],
        boolean[][],
      ];
      const within = (first: boolean[][], second: boolean[][]) => {
        const { low, high } = pairedBootstrap(first, second, keyOfSeed(trial));
        return Number(low <= -0.1 && -0.1 <= high);
      };
      covered += within(a, b);
      coveredByImages += within([a[0]!], [b[0]!]);
    }
    // Binomial with p = 0.95: 190 ± 3.1; more is allowed, since the noise of each error counts for seeds and for images.
    assert.ok(covered >= 178, `${covered} of 200`);
    assert.ok(coveredByImages < 170, `${coveredByImages} of 200`);
  });

  it('has the intervals that NumPy finds with other random numbers (tools/check-reproduction.py)', async () => {
    const path = join(projectFolder, 'test', 'fixtures', 'reproduce', 'bootstrap.json');
    const cases = z.array(fixture).parse(JSON.parse(await readFile(path, 'utf8')));
    for (const { first, second, ...expected } of cases) {
      const [a, b] = [first, second].map((rows) => rows.map((row) => [...row].map((bit) => bit === '1')));
      const found = pairedBootstrap(a!, b!, keyOfSeed(1));
      assert.ok(Math.abs(found.difference - expected.difference) < 1e-12);
      // 2,000 draws; with one degree of freedom the tails are long.
      const tolerance = (first.length === 2 ? 0.4 : 0.12) * (expected.high - expected.low);
      for (const end of ['low', 'high'] as const) {
        const message = `${first.length} seeds, ${end}: ${found[end]} and ${expected[end]}`;
        assert.ok(Math.abs(found[end] - expected[end]) < tolerance, message);
      }
    }
  });

  it('estimates how many seeds would decide', () => {
    const seen = {
      difference: -0.01,
      low: -0.03,
      high: 0.01,
      seeds: 3,
      seedDeviation: 0.01,
      imageError: 0.002,
    };
    // t with 6 degrees of freedom: 2.447 · 0.01 / √7 = 0.0092, and 1.96 · 0.002 = 0.0039: together 0.01005.
    assert.equal(seedsToDecide(seen, 0), 8);
    assert.equal(seedsToDecide({ ...seen, imageError: 0.006 }, 0), Infinity);
    assert.equal(seedsToDecide({ ...seen, seedDeviation: undefined }, 0), undefined);
  });
});

describe('a verdict', () => {
  it('on "better" follows the side of 0 that the interval lies on', () => {
    assert.equal(verdictOf('better', { low: -0.03, high: -0.01 }), 'holds');
    assert.equal(verdictOf('better', { low: 0.01, high: 0.03 }), 'does not hold');
    assert.equal(verdictOf('better', { low: -0.01, high: 0.01 }), 'not decided');
  });

  it('on "does not help" asks for an interval that leaves no help worth the name', () => {
    assert.equal(verdictOf('no better', { low: -0.004, high: 0.01 }), 'holds');
    assert.equal(verdictOf('no better', { low: -0.03, high: -0.01 }), 'does not hold');
    assert.equal(verdictOf('no better', { low: -0.02, high: 0.01 }), 'not decided');
  });
});

describe('the claims of section 4', () => {
  const plan = parseReproductionPlan(
    {
      title: 'All',
      recipe: { crop: 32 },
      stages: [
        { scale: 36, nets: ['A', 'A-LRN', 'B', 'C', 'D', 'E', 'B-5x5'] },
        { scale: '36..72', nets: ['C', 'D', 'E'] },
      ],
    },
    'all.yaml',
  );
  const experiments = planExperiments(planTrainings(plan, 'out', 'all.yaml'));
  const measured = (rate: (id: string) => number): MeasuredExperiment[] =>
    experiments.map((experiment, i) => ({ ...experiment, errors: [errorsAt(rate(experiment.id), 3000, i)] }));

  it('are all measured by a plan with all networks, and hold for the errors of the paper', () => {
    const results = judgeClaims(
      measured((id) => {
        if (id.startsWith('d-36+') || id.includes('+d-36')) return 0.4;
        const depth = { a: 0.6, b: 0.5, c: 0.4, d: 0.3, e: 0.36 }[id[0]!]!;
        const center = id.includes('5x5') ? 0.9 : depth;
        const jittered = id.includes('-72') ? center - 0.1 : center;
        const scales = id.includes('.auto') ? jittered - 0.05 : jittered;
        const protocol = id.includes('.crops') ? scales - 0.05 : id.includes('.both') ? scales - 0.1 : scales;
        return id.includes('+') ? protocol - 0.04 : protocol;
      }),
    );
    assert.ok(!pluck(results, 'verdict').includes('not measured'));
    for (const { claim, verdict, compared } of results) {
      if (claim.startsWith('local response')) continue;
      assert.equal(verdict, 'holds', `${claim} (${compared})`);
    }
  });

  it('are not decided if all errors are alike', () => {
    const verdicts = judgeClaims(measured(() => 0.3)).map(({ verdict }) => verdict);
    assert.ok(verdicts.filter((verdict) => verdict === 'not decided').length > verdicts.length / 2);
  });

  it('are listed as not measured if the plan lacks a network', () => {
    const some = measured(() => 0.3).filter(({ id }) => !id.startsWith('a-lrn'));
    const [lrn] = judgeClaims(some);
    assert.equal(lrn!.verdict, 'not measured');
    assert.equal(lrn!.result, null);
  });
});
