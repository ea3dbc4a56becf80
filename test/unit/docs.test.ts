import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { projectFolder } from '../../src/core/project.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const docs = join(projectFolder, 'docs');

async function markdownFiles(): Promise<string[]> {
  const found = await readdir(docs, { recursive: true });
  return [
    ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
    ...found.filter((file) => file.endsWith('.md')).map((file) => join('docs', file)),
  ];
}

/** Anchors as GitHub makes them of headings; the generated pages also have `<a id>`. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)"/g)].map(([, id]) => id!));
  for (const [, heading] of text.matchAll(/^#+ (.+)$/gm)) {
    const anchor = heading!
      .replaceAll(/\]\([^)]*\)/g, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    let unique = anchor;
    for (let number = 1; anchors.has(unique); number++) unique = `${anchor}-${number}`;
    anchors.add(unique);
  }
  return anchors;
}

describe('the documents', () => {
  it('link to files and headings that exist', async () => {
    const broken: string[] = [];
    for (const file of await markdownFiles()) {
      const text = await readFile(join(projectFolder, file), 'utf8');
      for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?|mailto):/.test(link!)) continue;
        const [path, anchor] = link!.split('#');
        const target = path === '' ? file : join(dirname(file), path!);
        const there =
          existsSync(join(projectFolder, target)) &&
          (!anchor || anchorsOf(await readFile(join(projectFolder, target), 'utf8')).has(anchor));
        if (!there) broken.push(`${file}: ${link}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  it('name files of the project that exist', async () => {
    const missing: string[] = [];
    for (const file of await markdownFiles()) {
      // A change log also names what was.
      if (file === 'CHANGELOG.md') continue;
      const text = await readFile(join(projectFolder, file), 'utf8');
      const mentioned =
        /(?<![\w/.-])(?:src|web\/src|native|test|tools|docs|recipes|plans|scripts)\/[\w./-]*\w/g;
      for (const [path] of text.matchAll(mentioned)) {
        if (!existsSync(join(projectFolder, path))) missing.push(`${file}: ${path}`);
      }
    }
    assert.deepEqual(missing, []);
  });

  it('map the paper to names that the files have', async () => {
    const map = await readFile(join(docs, 'explanation/paper-map.md'), 'utf8');
    const missing: string[] = [];
    // `testScaleFor` in src/core/scale.ts; `epochs`, `iterations` in src/train/recipe.ts
    for (const [place, names, path] of map.matchAll(/((?:`[\w-]+`(?:, )?)+) in (src\/[\w./-]+\.ts)/g)) {
      const source = await readFile(join(projectFolder, path!), 'utf8');
      const found = names!.match(/[\w-]+/g)!.every((name) => source.includes(name));
      if (!found) missing.push(place);
    }
    assert.deepEqual(missing, []);
  });
});

describe('the generated reference', () => {
  const work = new TemporaryFolder();

  it('is what `npm run docs` writes', async () => {
    const generator = join(projectFolder, 'tools/reference/generate.mjs');
    await promisify(execFile)(process.execPath, [generator, '--out', work.folder], { cwd: projectFolder });
    for (const name of await readdir(work.folder)) {
      const [written, kept] = await Promise.all(
        [work.folder, join(docs, 'reference')].map((folder) => readFile(join(folder, name), 'utf8')),
      );
      assert.ok(written === kept, `docs/reference/${name} is out of date: run npm run docs`);
    }
  });
});
