import assert from 'node:assert/strict';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InvalidArgumentError } from 'commander';
import {
  choice,
  fitCommand,
  flag,
  newCommand,
  option,
  outputFile,
  type Parser,
  repeatable,
  required,
  switchedOff,
  type TypedOption,
} from '../../../src/cli/command.ts';
import {
  backend,
  config,
  integer,
  list,
  number,
  positiveInteger,
  positiveNumber,
  rgb,
  testScales,
} from '../../../src/cli/options.ts';

const parserOf =
  (typed: TypedOption<unknown>): Parser<unknown> =>
  (text) =>
    typed('name')[0]!.parseArg!(text, undefined);

function refuses(parse: Parser<unknown>, ...texts: string[]): void {
  for (const text of texts) assert.throws(() => parse(text), InvalidArgumentError, `took ${text}`);
}

describe('option values', () => {
  test('whole numbers', () => {
    assert.equal(integer(0)('0'), 0);
    assert.equal(positiveInteger('256'), 256);
    refuses(positiveInteger, '0', '-1', '1.5', 'x', '', '1e3', '0x10', '99999999999999999999');
    refuses(integer(2, 5), '1', '6');
    assert.throws(() => integer(2, 5)('6'), /whole number from 2 to 5/);
  });

  test('numbers', () => {
    assert.equal(number()('-1e-2'), -0.01);
    assert.equal(positiveNumber('0.5'), 0.5);
    refuses(positiveNumber, '0', '-1', 'x', '', ' ', 'Infinity', 'NaN');
    assert.throws(() => number(0, 255)('256'), /a number from 0 to 255/);
  });

  test('test scales: one, several, or those of training', () => {
    assert.deepEqual(testScales('256'), [256]);
    assert.deepEqual(testScales('256,384, 512'), [256, 384, 512]);
    assert.equal(testScales('auto'), 'auto');
    refuses(testScales, '256..512', '256,256', '256,', '0');
  });

  test('the mean is three numbers from 0 to 255', () => {
    assert.deepEqual(rgb(0, 255)('123.68, 116.779,103.939'), [123.68, 116.779, 103.939]);
    refuses(rgb(0, 255), '1,2', '1,2,3,4', '1,2,256', '1,2,x');
  });

  test('networks in any case', () => {
    const parse = parserOf(config);
    assert.equal(parse('a-lrn'), 'A-LRN');
    assert.throws(() => parse('F'), /It must be one of A, A-LRN, B, C, D, E/);
  });

  test('lists of anything', () => {
    assert.deepEqual(list(positiveInteger)('1,2'), [1, 2]);
    refuses(list(positiveInteger), '1,1', '');
  });

  test('a backend, by its former name too', (t) => {
    const warn = t.mock.method(console, 'warn', () => {});
    const parse = parserOf(backend);
    assert.equal(parse('webgpu'), 'webgpu');
    assert.equal(parse('onednn'), 'native');
    assert.equal(warn.mock.callCount(), 1);
    refuses(parse, 'cuda', '', 'Native');
  });
});

describe('tables of options', () => {
  const options = {
    maxPixels: option('<n>', 'text', positiveInteger, '9'),
    mode: choice(['infer', 'train'], 'text'),
    model: required(repeatable(option('<file>', 'text'))),
    flip: flag('text', 'text'),
    check: switchedOff('text'),
  };
  const parse = (...words: string[]) =>
    newCommand('try', { description: 'text', examples: [], options })
      .exitOverride()
      .configureOutput({ writeErr: () => {} })
      .parse(words, { from: 'user' })
      .opts();

  test('give names, defaults and values', () => {
    assert.deepEqual(parse('--model', 'a'), { maxPixels: 9, model: ['a'], check: true });
    const words = '--model a --model b --max-pixels 5 --mode train --no-flip --no-check'.split(' ');
    const values = { maxPixels: 5, mode: 'train', model: ['a', 'b'], flip: false, check: false };
    assert.deepEqual(parse(...words), values);
  });

  test('refuse a missing option and other words', () => {
    assert.throws(() => parse(), /required option '--model <file>' not specified/);
    assert.throws(() => parse('--model', 'a', '--mode', 'run'), /It must be one of infer, train/);
  });
});

test('a file that a command writes is not overwritten without --force', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'vgg-')), 'card.md');
  let written = 0;
  const run = (...words: string[]) =>
    newCommand('try', { description: 'text', examples: [], options: { out: outputFile('<file>', 'text') } })
      .action(() => void written++)
      .parseAsync(words, { from: 'user' });
  await run('--out', file);
  writeFileSync(file, '');
  await assert.rejects(run('--out', file), /card\.md already exists; .* overwrite it with --force/);
  await run('--out', file, '--force');
  await run();
  assert.equal(written, 3);
});

test('a command that is too long breaks before an option, as a shell reads it', () => {
  assert.equal(fitCommand('  $ vgg demo', 20), '  $ vgg demo');
  assert.equal(
    fitCommand('  $ vgg train photos --preset small --out runs/a', 30),
    '  $ vgg train photos \\\n      --preset small \\\n      --out runs/a',
  );
  assert.equal(
    fitCommand('  $ vgg predict photos/a-long-name.jpg', 20),
    '  $ vgg predict photos/a-long-name.jpg',
  );
});
