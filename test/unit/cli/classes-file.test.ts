import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readClassesFile } from '../../../src/cli/classes-file.ts';
import { numberedClasses } from '../../../src/weights/labels/class-names.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verydeep-classes-'));
});
after(() => rm(folder, { recursive: true }));

async function read(text: string) {
  const path = join(folder, 'classes.txt');
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
  await assert.rejects(readClassesFile(join(folder, 'none')), /none could not be read/);
});

test('classes without names are numbered', () => {
  assert.deepEqual(numberedClasses(2).classes, ['class0', 'class1']);
});
