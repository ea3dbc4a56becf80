import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { nameOfData, newRunFolder } from '../../../src/cli/commands/run-names.ts';

test('a run is named after its data and overwrites no other', () => {
  const names = ['/home/me/photos/', 'photos.zip', 'a/photos.tar.gz', 'photos.csv?label=breed', 'v1.photos'];
  assert.deepEqual(names.map(nameOfData), ['photos', 'photos', 'photos', 'photos', 'v1']);
  const before = process.cwd();
  process.chdir(mkdtempSync(join(tmpdir(), 'vgg-')));
  try {
    for (const path of ['runs/photos', 'runs/photos-2', 'runs/photos-3']) {
      assert.equal(newRunFolder('photos'), path);
      mkdirSync(path, { recursive: true });
    }
  } finally {
    process.chdir(before);
  }
});
