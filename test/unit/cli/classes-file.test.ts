import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readClassesFile } from '../../../src/cli/classes-file.ts';
import { numberedClasses } from '../../../src/weights/labels/class-names.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';

const work = new TemporaryFolder();

async function read(text: string) {
  const path = work.path('classes.txt');
  await writeFile(path, text);
  return readClassesFile(path);
}

test('an identifier per line, a label after a tab, or ILSVRC’s synsets', async () => {
  assert.deepEqual(await read('tabby cat\r\n\r\nn01440764 tench, Tinca tinca\ndog\tA dog\n'), {
    classes: ['tabby cat', 'n01440764', 'dog'],
    labels: ['tabby cat', 'tench, Tinca tinca', 'A dog'],
  });
});

test('refuses a single class, a duplicate class, and a missing file', async () => {
  await assert.rejects(read('a\n'), /has 1 classes; write two or more/);
  await assert.rejects(read('a\nb\na\n'), /duplicate class a; remove one/);
  await assert.rejects(readClassesFile(work.path('none')), /none could not be read/);
});

test('classes without names are numbered', () => {
  assert.deepEqual(numberedClasses(2).classes, ['class0', 'class1']);
});
