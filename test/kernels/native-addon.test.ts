import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { UsageError, UserError } from '../../src/core/errors.ts';
import { explainLoadError, loadAddon } from '../../src/kernels/native/load-addon.ts';
import { createNativeBackend } from '../../src/kernels/native/native-backend.ts';

describe('native: the addon', () => {
  it('that is not built: the message says how to build it', () => {
    assert.throws(() => loadAddon('/nowhere/verydeep_kernels.node'), {
      name: 'UserError',
      message:
        'the native kernels are not built (no /nowhere/verydeep_kernels.node): run `npm run setup` first',
    });
  });

  it('that is not an addon: the message says how to rebuild it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'verydeep-'));
    const file = join(folder, 'verydeep_kernels.node');
    writeFileSync(file, 'not an addon');
    assert.throws(
      () => loadAddon(file),
      (error) => error instanceof UserError && /do not load .* run `npm run setup`/.test(error.message),
    );
    rmSync(folder, { recursive: true });
  });

  it('whose libraries are missing: the message names the packages', () => {
    const dnnl = explainLoadError(
      'a.node',
      'libdnnl.so.2: cannot open shared object file: No such file or directory',
    );
    assert.match(dnnl, /need oneDNN.*Debian.*Fedora.*Homebrew/);
    const gomp = explainLoadError(
      'a.node',
      'libgomp.so.1: cannot open shared object file: No such file or directory',
    );
    assert.match(gomp, /need the OpenMP library.*libgomp1/);
  });

  it('refuses impossible numbers of threads', () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      assert.throws(() => createNativeBackend({ threads }), UsageError);
    }
  });
});
