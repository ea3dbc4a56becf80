import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { UsageError } from '../../src/core/errors.ts';
import { loadAddon } from '../../src/kernels/native/load-addon.ts';
import { createNativeBackend } from '../../src/kernels/native/open-native.ts';
import { userError } from '../support/refused.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

describe('native: the addon', () => {
  it('if there is none, the message lists what was tried and the remedy', () => {
    const remedy = /@verydeep\/\S+ \(not installed\)\): run `npm run setup`/;
    const nowhere = '/nowhere/verydeep_kernels.node';
    assert.throws(
      () => loadAddon(nowhere),
      userError(/tried \/nowhere\/verydeep_kernels.node \(not built\), /),
    );
    assert.throws(() => loadAddon(nowhere), userError(remedy));
    const damaged = new TemporaryFolder().path('verydeep_kernels.node');
    writeFileSync(damaged, 'not an addon');
    assert.throws(() => loadAddon(damaged), userError(/verydeep_kernels.node \(.*(too short|invalid)/));
    assert.throws(() => loadAddon(damaged), userError(remedy));
  });

  it('refuses impossible numbers of threads', () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => createNativeBackend({ threads }), UsageError);
    }
  });
});
