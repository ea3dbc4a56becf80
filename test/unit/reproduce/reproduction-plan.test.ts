import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectFolder } from '../../../src/core/project.ts';
import { singleProtocols } from '../../../src/evaluate/protocol/protocol.ts';
import { evaluationsFor, planEvaluations } from '../../../src/reproduce/evaluations.ts';
import { planExperiments } from '../../../src/reproduce/experiments.ts';
import { parseReproductionPlan, readReproductionPlan } from '../../../src/reproduce/reproduction-plan.ts';
import { planSeeds, planTrainings } from '../../../src/reproduce/training-order.ts';
import { pluck } from '../../support/lists.ts';
import { userError } from '../../support/refused.ts';

const plan = parseReproductionPlan(
  {
    title: 'Small',
    recipe: { crop: 32 },
    stages: [
      { scale: 36, nets: ['E', 'D', 'B', 'A', 'B-5x5'], recipe: { lr: 0.01 } },
      { scale: 54, nets: ['D', 'E'], recipe: { lr: 0.001 } },
      { scale: '36..72', nets: ['D', 'E'] },
    ],
  },
  'small.yaml',
);
const trainings = planTrainings(plan, 'out/runs', 'small.yaml');
const training = (id: string) => trainings.find((one) => one.id === id)!;

describe('the order of trainings', () => {
  it('trains A first, deeper nets from it, and the 5×5 net from random weights', () => {
    assert.deepEqual(pluck(trainings, 'id'), [
      'a-36',
      'b-36',
      'b-5x5-36',
      'd-36',
      'e-36',
      'd-54',
      'e-54',
      'd-36-72',
      'e-36-72',
    ]);
    assert.equal(training('a-36').recipe['from-shallower'], undefined);
    assert.equal(training('d-36').recipe['from-shallower'], join('out/runs/a-36', 'last.safetensors'));
    assert.equal(training('b-5x5-36').recipe['from-shallower'], undefined);
  });

  it('starts each later scale from the same net at the scale before', () => {
    assert.equal(training('d-54').recipe.from, training('d-36').model);
    assert.equal(training('e-36-72').recipe.from, training('e-54').model);
    assert.equal(training('e-36-72').recipe['from-shallower'], undefined);
  });

  it('merges recipes, those of a stage winning', () => {
    assert.equal(training('d-54').recipe.lr, 0.001);
    assert.equal(training('d-54').recipe.crop, 32);
    assert.equal(training('d-36-72').recipe.lr, 0.01, 'the default');
  });

  it('refuses a duplicate net and an invalid recipe', () => {
    const twice = { ...plan, stages: [{ scale: '36', nets: ['A' as const, 'A' as const], recipe: {} }] };
    const duplicate = /p\.yaml: duplicate net A at scale 36; remove one/;
    assert.throws(() => planTrainings(twice, 'out', 'p.yaml'), duplicate);
    const wrong = { ...plan, recipe: { crop: 33 } };
    assert.throws(() => planTrainings(wrong, 'out', 'p.yaml'), /p\.yaml, a-36: crop/);
  });
});

describe('the seeds of a plan', () => {
  const withKeys = (keys: object) => parseReproductionPlan({ ...plan, ...keys }, 'p.yaml');

  it('may be listed or counted, and each has its own folder and recipes', () => {
    assert.deepEqual(withKeys({ seeds: 3 }).seeds, [1, 2, 3]);
    const seeds = planSeeds(withKeys({ seeds: [4, 7] }), 'out', 'p.yaml');
    assert.deepEqual(pluck(seeds, 'prefix'), ['seed-4/', 'seed-7/']);
    for (const { seed, trainings } of seeds) {
      assert.equal(trainings[0]!.folder, join('out', `seed-${seed}`, 'runs', 'a-36'));
      assert.ok(trainings.every(({ recipe }) => recipe.seed === seed));
    }
  });

  it('are one, in the folder of the plan, if the plan lists none', () => {
    const [only, ...others] = planSeeds(plan, 'out', 'p.yaml');
    assert.deepEqual(
      [others, only!.prefix, only!.trainings[0]!.folder],
      [[], '', join('out', 'runs', 'a-36')],
    );
  });

  it('are refused twice, or beside the recipe key seed', () => {
    assert.throws(() => withKeys({ seeds: [1, 1] }), userError(/p\.yaml: seeds: /));
    const twice = () => withKeys({ seeds: 2, recipe: { seed: 1 } });
    assert.throws(twice, userError(/seeds and the recipe key seed cannot be used together/));
  });

  it('the first one also trains for twice the epochs, with each drop at twice its epoch', () => {
    const keys = {
      seeds: 2,
      'twice-the-epochs': ['d-36'],
      recipe: { crop: 32, epochs: 10, 'lr-drop-at': '6e, 200' },
    };
    const [first, second] = planSeeds(withKeys(keys), 'out', 'p.yaml');
    const [longer] = first!.longer;
    assert.deepEqual(
      [longer!.id, longer!.recipe.epochs, longer!.recipe['lr-drop-at']],
      ['d-36-twice', 20, '12e,400'],
    );
    assert.equal(longer!.recipe['from-shallower'], join('out/seed-1/runs/a-36/last.safetensors'));
    assert.deepEqual(second!.longer, []);
    const unknown = () => planSeeds(withKeys({ 'twice-the-epochs': ['c-36'] }), 'out', 'p.yaml');
    assert.throws(
      unknown,
      userError(/p\.yaml: twice-the-epochs: no training c-36; the trainings are a-36, b-36/),
    );
  });
});

describe('the experiments and evaluations of a plan', () => {
  const experiments = planExperiments(trainings);
  const evaluations = planEvaluations(experiments);

  it('experiments are those of Tables 3 to 6', () => {
    const ids = pluck(experiments, 'id');
    for (const id of [
      'a-36.dense.single',
      'b-36.center.single',
      'b-5x5-36.center.single',
      'd-54.dense.auto',
      'e-36-72.crops.auto',
      'e-36-72.both.auto',
      'd-36-72+e-36-72.both.auto',
      'd-36+e-36+d-54+e-54+d-36-72+e-36-72.dense.auto',
    ]) {
      assert.ok(ids.includes(id), id);
    }
    assert.ok(!ids.includes('a-36.dense.auto'), 'Table 4 has no A');
    assert.equal(new Set(ids).size, ids.length);
  });

  it('evaluations are one per net, and another of center crops if experiments need them', () => {
    assert.deepEqual(pluck(evaluations, 'id').sort(), [
      ...['a-36.dense.single', 'b-36.center.single', 'b-36.dense.auto'],
      ...['b-5x5-36.center.single', 'b-5x5-36.dense.single', 'd-36-72.both.auto', 'd-36.dense.auto'],
      ...['d-54.dense.auto', 'e-36-72.both.auto', 'e-36.dense.auto', 'e-54.dense.auto'],
    ]);
  });

  it('evaluations cover every experiment', () => {
    for (const experiment of experiments) {
      const own = evaluationsFor(experiment, evaluations);
      assert.deepEqual(pluck(pluck(own, 'training'), 'id'), pluck(experiment.trainings, 'id'));
      for (const { protocol, scales } of own) {
        for (const look of singleProtocols(experiment.protocol))
          assert.ok(singleProtocols(protocol).includes(look));
        assert.ok(scales === 'auto' || experiment.scales === 'single');
      }
    }
  });
});

describe('the plans that come with the project', () => {
  const folder = join(projectFolder, 'plans');
  for (const file of readdirSync(folder)) {
    it(`${file} is valid`, async () => {
      assert.ok(planTrainings(await readReproductionPlan(join(folder, file)), 'out', file).length >= 7);
    });
  }

  it('a plan with an unknown net is refused by name', () => {
    const unknown = { title: 'x', stages: [{ scale: 1, nets: ['F'] }] };
    const parse = () => parseReproductionPlan(unknown, 'p.yaml');
    assert.throws(parse, userError(/p\.yaml: stages\.0\.nets\.0: .*"A"/));
  });
});
