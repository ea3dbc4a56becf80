import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { givenAxes } from '../../../../src/data/training/given-colors.ts';
import { givenMean } from '../../../../src/data/training/given-mean.ts';
import { temporaryFolder } from '../../../support/images.ts';
import { refused } from '../../../support/refused.ts';

describe('given colors', () => {
  it('have a mean of three numbers, or that of ILSVRC by name', () => {
    assert.deepEqual(givenMean('ilsvrc'), [123.68, 116.779, 103.939]);
    assert.deepEqual(givenMean('1, 2.5,255'), [1, 2.5, 255]);
    for (const wrong of ['', '1,2', '1,2,', '1,2,256', '-1,2,3', 'a,b,c', '1,2,3,4', 'NaN,1,1', 'dataset']) {
      assert.equal(givenMean(wrong), undefined, wrong);
    }
    const value = fc.double({ min: 0, max: 255, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(value, value, value), (mean) =>
        assert.deepEqual(
          givenMean(mean.join()),
          mean.map((x) => x + 0),
        ),
      ),
    );
  });

  it('have axes by name, from a JSON file or from a run', async (t) => {
    const path = `${await temporaryFolder(t)}/axes`;
    const axes = {
      directions: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      deviations: [3, 2, 1],
    };
    await writeFile(path, JSON.stringify(axes));
    assert.deepEqual(await givenAxes(path), axes);
    await writeFile(path, gzipSync(JSON.stringify({ version: 1, mean: [1, 2, 3], axes })));
    assert.deepEqual(await givenAxes(path), axes);
    await writeFile(path, '{"deviations": [1, 2]}');
    await refused(givenAxes(path), /axes has no color axes; give a JSON file/);
    await refused(givenAxes(`${path}x`), /axesx could not be read/);
  });

  it('of ILSVRC are orthogonal unit vectors, to four digits', async () => {
    const { directions } = await givenAxes('ilsvrc');
    for (const [i, a] of directions.entries()) {
      for (const [j, b] of directions.entries()) {
        const product = a.reduce((sum, value, k) => sum + value * b[k]!, 0);
        assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 5e-4, `${i} ${j} ${product}`);
      }
    }
  });
});
