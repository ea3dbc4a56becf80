import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { singleProtocols } from '../../../src/evaluate/protocol.ts';
import { planRuns } from '../../../src/reproduce/chain.ts';
import { planMeasurements } from '../../../src/reproduce/measurements.ts';
import { passFor, planPasses } from '../../../src/reproduce/passes.ts';
import { parsePlan } from '../../../src/reproduce/plan-file.ts';

const plan = parsePlan(
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
const measurements = planMeasurements(planRuns(plan, 'out', 'small.yaml'));
const passes = planPasses(measurements);

describe('the passes over the test images', () => {
  it('are one a net, with all that it is asked for, and one of centre crops where these are wanted', () => {
    assert.deepEqual(passes.map(({ id }) => id).sort(), [
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

  it('have every part of every measurement', () => {
    for (const measurement of measurements) {
      for (const run of measurement.runs) {
        const pass = passFor(measurement, run, passes);
        assert.equal(pass.run, run);
        for (const look of singleProtocols(measurement.protocol))
          assert.ok(singleProtocols(pass.protocol).includes(look));
        assert.ok(pass.scales === 'auto' || measurement.scales === 'single');
      }
    }
  });
});
