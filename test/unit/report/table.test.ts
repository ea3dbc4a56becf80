import assert from 'node:assert/strict';
import { it } from 'node:test';
import { formatFacts } from '../../../src/report/table.ts';

it('facts are not wrapped in a terminal of unknown size, as under mpirun', (t) => {
  const columns = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
  t.after(() => {
    if (columns) Object.defineProperty(process.stdout, 'columns', columns);
    else Reflect.deleteProperty(process.stdout, 'columns');
  });
  Object.defineProperty(process.stdout, 'columns', { value: 0, configurable: true });
  assert.equal(formatFacts([['its error', 'top-1 error 36.4 %']]), 'its error  top-1 error 36.4 %');
});
