import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { UsageError } from '../../src/core/errors.ts';
import { loadAddon } from '../../src/kernels/native/load-addon.ts';
import { createNativeBackend } from '../../src/kernels/native/open-native.ts';
import { userError } from '../support/refused.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

describe('native: the addon', () => {
  it('if not built, the message says how to build it', () => {
    assert.throws(() => loadAddon('/nowhere/verydeep_kernels.node'), {
      name: 'UserError',
      message:
        'the native kernels are not built (no /nowhere/verydeep_kernels.node): run `npm run setup` first',
    });
  });

  it('if the file is not an addon, the message says how to rebuild it', () => {
    const file = new TemporaryFolder().path('verydeep_kernels.node');
    writeFileSync(file, 'not an addon');
    assert.throws(() => loadAddon(file), userError(/do not load .* run `npm run setup`/));
  });

  it('refuses impossible numbers of threads', () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => createNativeBackend({ threads }), UsageError);
    }
  });
});
