import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectFolder } from '../../src/core/project.ts';
import { jpeg, writeFiles } from '../support/images.ts';
import { Workplace } from './training-runs.ts';

describe('the README', () => {
  const work = new Workplace();

  it("has an example of the library that runs as written, in a TypeScript developer's project", async () => {
    const readme = await readFile(join(projectFolder, 'README.md'), 'utf8');
    const example = /```ts\n(.*?)```/s.exec(readme)?.[1];
    assert.ok(example);
    assert.ok(
      example
        .trim()
        .split('\n')
        .filter((line) => line !== '').length <= 10,
      'more than ten lines',
    );
    await writeFiles(work.folder, { 'cat.jpg': await jpeg(60, 50, 0) });
    // Within the project its own name resolves to its own build.
    const folder = join(projectFolder, 'build', 'readme');
    await mkdir(folder, { recursive: true });
    try {
      const file = join(folder, 'example.ts');
      await writeFile(file, example);
      const tsc = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
      const options = [
        '--module',
        'nodenext',
        '--target',
        'es2023',
        '--strict',
        '--skipLibCheck',
        '--types',
        'node',
      ];
      const run = promisify(execFile);
      await run(process.execPath, [tsc, ...options, '--ignoreConfig', file], { cwd: folder });
      const { stdout } = await run(process.execPath, [join(folder, 'example.js')], { cwd: work.folder });
      assert.match(stdout, /top-1 error \d+\.\d % on 12 images\nmost likely: (cat|dog|owl)\n/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
