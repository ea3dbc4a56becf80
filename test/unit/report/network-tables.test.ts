import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configurationNames } from '../../../src/net/configurations.ts';
import { buildNetwork } from '../../../src/net/network.ts';
import { formatLayers, formatTable1, formatTable2 } from '../../../src/report/network-tables.ts';
import { formatFacts, formatTable } from '../../../src/report/table.ts';

const networks = configurationNames.map((configuration) => buildNetwork({ configuration }));

/** A table's cells, row by row, without its lines. */
function cellsOf(table: string): string[][] {
  const lines = table.split('\n').filter((line) => line.startsWith('│'));
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split('│')
      .map((cell) => cell.trim()),
  );
}

test('Table 1 shows the blocks as the paper writes them, on a terminal of 80 columns', () => {
  const table = formatTable1(networks);
  const cells = cellsOf(table);
  assert.deepEqual(cells[0], ['A', 'A-LRN', 'B', 'C', 'D', 'E', 'B-5x5']);
  assert.deepEqual(cells[1]!.slice(0, 6).map(Number.parseFloat), [11, 11, 13, 16, 16, 19]);
  assert.deepEqual(cells[4], ['', 'LRN', 'conv3-64', 'conv3-64', 'conv3-64', 'conv3-64', '']);
  assert.equal(cells.filter(([cell]) => cell === 'maxpool').length, 5);
  const column = (name: string) => cells.map((row) => row[cells[0]!.indexOf(name)]);
  assert.equal(column('C').filter((cell) => cell?.startsWith('conv1-')).length, 3);
  assert.equal(column('E').filter((cell) => cell?.startsWith('conv')).length, 16);
  assert.deepEqual(cells.slice(-4).flat(), ['FC-4096', 'FC-4096', 'FC-1000', 'soft-max']);
  assert.ok(table.split('\n').every((line) => line.length <= 80));
});

test('Table 2 rounds to the paper’s millions', () => {
  const table = formatTable2(networks);
  const parameters = cellsOf(table)[1]!.slice(1, 7).map(Number);
  assert.deepEqual(parameters.map(Math.round), [133, 133, 133, 134, 138, 144]);
  assert.ok(table.split('\n').every((line) => line.length <= 80));
});

test('one network layer by layer, with sums', () => {
  const cells = cellsOf(formatLayers(buildNetwork({ configuration: 'D' })));
  const row = (name: string) => cells.find(([first]) => first === name);
  assert.deepEqual(row('conv1_1')?.slice(1, 3), ['3×3 convolution', '64×224×224']);
  assert.deepEqual(row('conv1_1')?.slice(3), ['1,792', '86,704,128', '3', '1']);
  assert.deepEqual(row('pool5')?.slice(2), ['512×7×7', '', '', '212', '32']);
  assert.deepEqual(row('total')?.slice(3, 5), ['138,357,544', '15,470,264,320']);
});

test('a table keeps lines inside cells, and facts have one line each', () => {
  assert.deepEqual(cellsOf(formatTable([['a\nb', 'c']])), [
    ['a', 'c'],
    ['b', ''],
  ]);
  const facts: [string, string][] = Object.entries({ a: '1', long: '2' });
  assert.equal(formatFacts(facts), 'a     1\nlong  2');
});

test('a table that is wider than the terminal becomes a list, and long values continue below', () => {
  const options = { head: ['class', 'image'], align: ['left', 'right'] } as const;
  assert.match(formatTable([['cat', 'a.jpg']], options, 40), /│/);
  assert.equal(
    formatTable(
      [
        ['cat', 'a file.jpg'],
        ['dog', 'b.jpg'],
      ],
      options,
      14,
    ),
    'class  cat\nimage  a\n       file.jpg\n\nclass  dog\nimage  b.jpg',
  );
});
