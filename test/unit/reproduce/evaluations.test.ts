import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { looksOf } from '../../../src/evaluate/protocol.ts';
import { evaluationsFor, planEvaluations } from '../../../src/reproduce/evaluations.ts';
import { planExperiments } from '../../../src/reproduce/experiments.ts';
import { parseReproductionPlan } from '../../../src/reproduce/reproduction-plan.ts';
import { planTrainings } from '../../../src/reproduce/training-order.ts';

const plan = parseReproductionPlan(
  {
    title: 'Small',
    recipe: { crop: 32 },
    stages: [
      { scale: 36, nets: ['A', 'B', 'B-5x5', 'D', 'E'] },
      { scale: '36..72', nets: ['D', 'E'] },
    ],
  },
  'small.yaml',
);
const experiments = planExperiments(planTrainings(plan, 'out', 'small.yaml'));
const evaluations = planEvaluations(experiments);

describe('the evaluations of a plan', () => {
  it('are one per net, and another of center crops where experiments need them', () => {
    assert.deepEqual(evaluations.map(({ id }) => id).sort(), [
      'a-36.dense.single',
      'b-36.center.single',
      'b-36.dense.auto',
      'b-5x5-36.center.single',
      'b-5x5-36.dense.single',
      'd-36-72.both.auto',
      'd-36.dense.auto',
      'e-36-72.both.auto',
      'e-36.dense.auto',
    ]);
  });

  it('cover every experiment', () => {
    for (const experiment of experiments) {
      const own = evaluationsFor(experiment, evaluations);
      assert.deepEqual(
        own.map(({ training }) => training),
        experiment.trainings,
      );
      for (const { protocol, scales } of own) {
        for (const look of looksOf(experiment.protocol)) assert.ok(looksOf(protocol).includes(look));
        assert.ok(scales === 'auto' || experiment.scales === 'single');
      }
    }
  });
});
