import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatFacts, formatTable } from '../../../src/report/table.ts';

it('facts are not wrapped in a terminal of unknown size, as under mpirun', (t) => {
  const columns = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
  t.after(() => {
    if (columns) Object.defineProperty(process.stdout, 'columns', columns);
    else Reflect.deleteProperty(process.stdout, 'columns');
  });
  Object.defineProperty(process.stdout, 'columns', { value: 0, configurable: true });
  assert.equal(formatFacts([['its error', 'top-1 error 36.4 %']]), 'its error  top-1 error 36.4 %');
});

it('a table that is too wide gets narrower titles first', () => {
  const head = ['layer', 'time per image', 'share of time'];
  const table = formatTable([['conv1_1', '0.031', '8.9 %']], { head }, 30);
  assert.match(table, /│ layer\s+│ time\s+│ share\s+│\n│\s+│ per\s+│ of/);
});

it('rows that belong together have one heading in a narrow terminal, and no empty titles', () => {
  const rows = [
    ['photos/bird/hen.jpg', 'bird', '60.0'],
    ['', 'dog', '40.0'],
    ['photos/dog/chihuahua.jpg', 'dog', '90.0'],
    ['', 'bird', '10.0'],
  ];
  const text = formatTable(rows, { head: ['image', 'class', 'per cent'] }, 40);
  assert.match(
    text,
    /^photos\/bird\/hen\.jpg\n┌[\s\S]*│ bird\s+│ 60\.0[\s\S]*\nphotos\/dog\/chihuahua\.jpg\n┌/,
  );
  assert.doesNotMatch(text, /image/);
});

it('a table of single rows becomes a list in a narrow terminal', () => {
  const rows = [['a long model name', 'a long license']];
  const text = formatTable(rows, { head: ['model', 'license'] }, 30);
  assert.equal(text, 'model    a long model name\nlicense  a long license');
});
