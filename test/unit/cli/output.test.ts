import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paint } from '../../../src/cli/color.ts';
import { fitMessage } from '../../../src/cli/output.ts';

test('messages break between words, except the command that they end with', () => {
  assert.equal(fitMessage('one two three', 80), 'one two three');
  assert.equal(fitMessage('one two three', 8), 'one two\nthree');
  assert.equal(
    fitMessage('saved; continue with: vgg train --out runs/photos --resume', 16),
    'saved; continue\nwith:\n  vgg train --out runs/photos --resume',
  );
  assert.equal(
    fitMessage('vgg: one\n  a list keeps its indent', 10),
    'vgg: one\n  a list\n  keeps\n  its\n  indent',
  );
  assert.equal(fitMessage('  vgg train photos --preset small', 10), '  vgg train photos --preset small');
  assert.equal(fitMessage('| a row of a table | 1 |', 10), '| a row of a table | 1 |');
  assert.equal(fitMessage('\u001b[33mwarning:\u001b[0m one', 12), '\u001b[33mwarning:\u001b[0m one');
});

test('colors follow NO_COLOR, FORCE_COLOR and the terminal', (t) => {
  const saved = { ...process.env };
  t.after(() => Object.assign(process.env, saved));
  const isPainted = (env: Record<string, string>, isTTY: boolean) => {
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) delete process.env[name];
    Object.assign(process.env, env);
    return paint('red', 'x', { isTTY }) !== 'x';
  };
  assert.equal(isPainted({}, true), true);
  assert.equal(isPainted({}, false), false);
  assert.equal(isPainted({ FORCE_COLOR: '1' }, false), true);
  assert.equal(isPainted({ FORCE_COLOR: '0' }, true), false);
  assert.equal(isPainted({ NO_COLOR: '1', FORCE_COLOR: '1' }, true), false);
  assert.equal(isPainted({ TERM: 'dumb' }, true), false);
});
