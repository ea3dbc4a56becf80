import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TORCHVISION_TEST } from '../../../src/core/image-preparation.ts';
import { sharedTest } from '../../../src/evaluate/inference/shared-preparation.ts';
import { buildNetwork, type NetworkOptions } from '../../../src/net/network.ts';
import type { ForeignNetwork } from '../../../src/weights/import/foreign-network.ts';
import { publishedFacts } from '../../../src/weights/import/import-options.ts';
import type { ConventionName } from '../../../src/weights/import/preprocessing.ts';

describe('facts of published weights', () => {
  /** @param implied by the file's names @param stated by the user */
  const factsOf = (implied: ConventionName | undefined, stated?: ConventionName, options = {}) => {
    const network = buildNetwork({ configuration: 'D', ...options } satisfies NetworkOptions);
    return publishedFacts({ convention: implied } as ForeignNetwork, network, { convention: stated });
  };
  const torchvision = { publishedTest: TORCHVISION_TEST };
  const authors = { trainScale: { min: 256, max: 512 } };

  it("are torchvision's test for its weights, and for a net that is said to have its preprocessing", () => {
    assert.deepEqual(factsOf('torchvision'), torchvision);
    assert.deepEqual(factsOf(undefined, 'torchvision', { classes: 10 }), torchvision);
    assert.deepEqual(factsOf('torchvision', undefined, { classes: 10 }), {});
    assert.deepEqual(factsOf(undefined, 'torchvision', { crop: 64 }), {});
  });

  it("are the authors' training scale for their nets D and E", () => {
    assert.deepEqual(factsOf('caffe'), authors);
    assert.deepEqual(factsOf('keras', undefined, { configuration: 'E' }), authors);
    assert.deepEqual(factsOf('caffe', undefined, { configuration: 'A' }), {});
    assert.deepEqual(factsOf(undefined, 'keras', { classes: 10 }), {});
  });

  it('apply to several models only if all have the same', () => {
    assert.deepEqual(sharedTest([torchvision, torchvision]), TORCHVISION_TEST);
    assert.equal(sharedTest([torchvision, {}]), undefined);
    assert.equal(sharedTest([{}]), undefined);
  });
});
