import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { FileList } from '../../../../src/data/sources/file-list.ts';

it('a list of file names gives back what it was made of, also in parts', () => {
  const entries = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.integer({ min: -1, max: 9 })));
  const listOf = (part: [string, number][]) =>
    FileList.of(
      part.map(([name]) => name),
      part.map(([, label]) => label),
    );
  fc.assert(
    fc.property(fc.array(entries), (parts) => {
      const list = FileList.concat(parts.map(listOf));
      const found = Array.from({ length: list.length }, (_, i) => [list.name(i), list.labels[i]]);
      assert.deepEqual(found, parts.flat());
      assert.deepEqual(list.hashParts(), listOf(parts.flat()).hashParts());
    }),
  );
});
