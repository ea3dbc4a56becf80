import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { it } from 'node:test';
import { DiskReserve } from '../../../src/core/disk-reserve.ts';
import { writingError } from '../../../src/core/files.ts';
import { temporaryFolder } from '../../support/images.ts';
import { refused } from '../../support/refused.ts';

it('a reserve makes room once when the disk is full', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, '.reserve');
  const reserve = (await DiskReserve.take(path, 3_000_000))!;
  assert.equal((await stat(path)).size, 3_000_000);
  let freed = 0;
  const onFreed = () => {
    freed++;
  };
  await reserve.write(async () => {}, onFreed);
  const full = Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  const writeIfFreed = async () => {
    if ((await readdir(folder)).includes('.reserve')) throw writingError('last', full);
  };
  await reserve.write(writeIfFreed, onFreed);
  assert.equal(freed, 1);
  await refused(
    reserve.write(() => Promise.reject(writingError('last', full)), onFreed),
    /the disk is full/,
  );
  assert.equal(await DiskReserve.take(join(folder, 'none', 'x'), 1), undefined);
});
