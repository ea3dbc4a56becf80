import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOfSeed, RandomStream } from '../../../src/core/random.ts';
import { pairedBootstrap } from '../../../src/reproduce/bootstrap.ts';
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

describe('the paired bootstrap', () => {
  it('finds no difference between a model and itself', () => {
    const errors = errorsAt(0.3, 500, 1);
    assert.deepEqual(pairedBootstrap(errors, errors, keyOfSeed(1)), { difference: 0, low: 0, high: 0 });
  });

  it('has the width that theory gives: 1.96 standard errors on each side', () => {
    const images = 4000;
    const [a, b] = [errorsAt(0.3, images, 1), errorsAt(0.25, images, 2)];
    const { difference, low, high } = pairedBootstrap(a, b, keyOfSeed(1));
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
      const { low, high } = pairedBootstrap(a, b, keyOfSeed(seed));
      covered += Number(low <= -0.1 && -0.1 <= high);
    }
    // Binomial with p = 0.95: 200 experiments give 190 ± 3.1; four deviations.
    assert.ok(covered >= 177 && covered <= 200, `${covered} of 200`);
  });

  it('handles a pair in which every image changed', () => {
    const all = pairedBootstrap([true, true], [false, false], keyOfSeed(1));
    assert.deepEqual(all, { difference: -1, low: -1, high: -1 });
  });

  it('refuses images that are not paired', () => {
    assert.throws(() => pairedBootstrap([true], [], keyOfSeed(1)), RangeError);
  });
});

describe('a verdict', () => {
  it('on "better" follows the side of 0 that the interval lies on', () => {
    assert.equal(verdictOf('better', { difference: -0.02, low: -0.03, high: -0.01 }), 'holds');
    assert.equal(verdictOf('better', { difference: 0.02, low: 0.01, high: 0.03 }), 'does not hold');
    assert.equal(verdictOf('better', { difference: 0, low: -0.01, high: 0.01 }), 'not decided');
  });

  it('on "does not help" asks for an interval that leaves no help worth the name', () => {
    assert.equal(verdictOf('no better', { difference: 0, low: -0.004, high: 0.01 }), 'holds');
    assert.equal(verdictOf('no better', { difference: -0.02, low: -0.03, high: -0.01 }), 'does not hold');
    assert.equal(verdictOf('no better', { difference: -0.004, low: -0.02, high: 0.01 }), 'not decided');
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
    experiments.map((experiment, i) => ({ ...experiment, errors: errorsAt(rate(experiment.id), 3000, i) }));

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
