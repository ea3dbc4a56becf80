import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shellWord, withProgramName } from '../../../src/cli/program-name.ts';

test('commands in hints are those that the reader can type', () => {
  const named = (text: string) => withProgramName(text, 'npx verydeep');
  assert.equal(named('vgg: no such file'), 'vgg: no such file');
  assert.equal(named('continue with: vgg train --resume'), 'continue with: npx verydeep train --resume');
  assert.equal(named('Try:\n  vgg serve'), 'Try:\n  npx verydeep serve');
  assert.equal(named('each class (vgg evaluate --details)'), 'each class (npx verydeep evaluate --details)');
  assert.equal(named('Run `vgg doctor` now'), 'Run `npx verydeep doctor` now');
  assert.equal(named('torchvision/vgg16, vgg16.pth'), 'torchvision/vgg16, vgg16.pth');
});

test('paths in hints are one word for a shell', () => {
  assert.equal(shellWord('runs/größe-2.safetensors'), 'runs/größe-2.safetensors');
  assert.equal(shellWord('my photos'), "'my photos'");
  assert.equal(shellWord("Ann's"), "'Ann'\\''s'");
  assert.equal(shellWord('runs/<b>'), "'runs/<b>'");
});
