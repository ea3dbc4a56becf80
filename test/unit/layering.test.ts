/**
 * Imports go downwards only. The table is the whole architecture; whoever adds an arrow adds it here and says
 * why in docs/explanation/decisions.md.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describe, it } from 'node:test';
import { projectFolder } from '../../src/core/project.ts';

/** What a folder may import from another: everything, or types only. */
type Arrows = Readonly<Record<string, 'all' | 'types'>>;

const BASE: Arrows = { core: 'all' };
const WORKERS: Arrows = {
  ...{ ...BASE, plan: 'all', net: 'all', data: 'all' },
  ...{ weights: 'all', kernels: 'all', comm: 'all' },
};
const READERS: Arrows = {
  ...{ ...BASE, plan: 'all', evaluate: 'all', train: 'types', runs: 'all' },
  ...{ weights: 'all', net: 'all', data: 'all' },
};

const LAYERS: Readonly<Record<string, Arrows>> = {
  core: {},
  net: BASE,
  data: BASE,
  comm: BASE,
  kernels: { ...BASE, net: 'types' },
  // A model file says which network its tensors belong to.
  weights: { ...BASE, net: 'all' },
  // What is predicted before anything runs.
  plan: { ...BASE, net: 'all', kernels: 'types' },
  // Siblings: whoever calls the trainer hands it a callback that evaluates.
  train: WORKERS,
  evaluate: WORKERS,
  // What a training leaves on the disk.
  runs: { core: 'all', train: 'all', kernels: 'types', weights: 'types' },
  // The trainings and evaluations of a reproduction; src/api carries them out.
  reproduce: { ...BASE, net: 'all', plan: 'all', train: 'all', evaluate: 'all' },
  // It prints reproductions, and draws what a model sees in an image.
  report: { ...READERS, reproduce: 'all', kernels: 'types' },
  // The project in a browser: what must do without Node.
  browser: { ...WORKERS, train: 'all', evaluate: 'all' },
  // It runs networks, and shows run folders, whose files are the trainer's.
  serve: { ...READERS, kernels: 'all', train: 'all' },
};
/** Folders above the table, which may import all of it. */
const TOP = ['api', 'cli'];

interface Import {
  readonly file: string;
  readonly target: string;
  readonly typesOnly: boolean;
}

const source = join(projectFolder, 'src');
const page = join(projectFolder, 'web/src');

function sourceFiles(root = source): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => file.split(sep).join('/'));
}

/** Imports, re-exports and dynamic imports of a file from other files, relative to the root. */
function importsOf(file: string, root: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const statement = /^(?:import|export)\s+(type\s)?[^;]*?from\s+'(\.[^']+)'|\bimport\s*\(?\s*'(\.[^']+)'/gm;
  return [...text.matchAll(statement)].map(([, type, from, dynamic]) => {
    const target = relative(root, join(root, file, '..', from ?? dynamic!));
    return { file, target: target.split(sep).join('/'), typesOnly: type !== undefined };
  });
}

function folderOf(file: string): string {
  return file.includes('/') ? file.slice(0, file.indexOf('/')) : '';
}

function isAllowed({ file, target, typesOnly }: Import): boolean {
  const [from, to] = [folderOf(file), folderOf(target)];
  // Files beside the folders, such as the package's entry, are above everything.
  if (from === to || from === '') return true;
  const index = TOP.indexOf(from);
  if (index >= 0) return to in LAYERS || TOP.indexOf(to) < index;
  const arrow = LAYERS[from]?.[to];
  return arrow === 'all' || (arrow === 'types' && typesOnly);
}

describe('layering', () => {
  const imports = sourceFiles().flatMap((file) => importsOf(file, source));

  it('finds the imports', () => {
    assert.ok(imports.length > 50);
    assert.ok(imports.some(({ file, target }) => file === 'net/network.ts' && target === 'core/layer.ts'));
  });

  it('every folder has its place in the table', () => {
    const known = ['', ...Object.keys(LAYERS), ...TOP];
    for (const folder of sourceFiles().map(folderOf)) assert.ok(known.includes(folder), folder);
  });

  it('imports go downwards only', () => {
    const upwards = imports
      .filter((entry) => !isAllowed(entry))
      .map(({ file, target, typesOnly }) => `${file} → ${target}${typesOnly ? ' (types)' : ''}`);
    assert.deepEqual(upwards, []);
  });

  for (const root of [source, page]) {
    it(`no file of ${relative(projectFolder, root)} imports itself through others, types included`, () => {
      const files = sourceFiles(root);
      const graph = new Map(files.map((file) => [file, importsOf(file, root).map(({ target }) => target)]));
      const finished = new Set<string>();
      const visit = (file: string, path: readonly string[]): void => {
        assert.ok(!path.includes(file), `a circle: ${[...path, file].join(' → ')}`);
        if (finished.has(file)) return;
        for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
        finished.add(file);
      };
      for (const file of files) visit(file, []);
    });
  }

  it('CONTRIBUTING.md has the same table', () => {
    const text = readFileSync(join(projectFolder, 'CONTRIBUTING.md'), 'utf8');
    const all = [...text.matchAll(/^\| src\/(\w+) \|.*\| ?([^|]*)\|$/gm)];
    const rows = all.filter(([, name]) => !TOP.includes(name!));
    const documented = rows.map(([, name, imports]) => [name, imports!.match(/\w[\w ]*\w/g)?.sort() ?? []]);
    const words = (arrows: Arrows) =>
      Object.entries(arrows).map(([name, kind]) => (kind === 'types' ? `types of ${name}` : name));
    const expected = Object.entries(LAYERS).map(([name, arrows]) => [name, words(arrows).sort()]);
    assert.deepEqual(Object.fromEntries(documented), Object.fromEntries(expected));
  });
});
