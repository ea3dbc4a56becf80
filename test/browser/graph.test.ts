import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const entry = new URL('../../src/browser/index.js', import.meta.url);
/** A script of its own, which no file imports. */
const worker = new URL('../../src/kernels/wasm/browser-worker.js', import.meta.url);

/** A compiled file's imports: static, re-exported and dynamic. It has no types any more. */
function importsOf(code: string): string[] {
  const statement =
    /^(?:import|export)\b[^;'"]*\bfrom\s*["']([^"']+)["']|\bimport\s*\(?\s*["']([^"']+)["']/gm;
  return [...code.matchAll(statement)].map(([, from, alone]) => from ?? alone!);
}

/** A compiled file and all that it imports, directly or not, with the packages that each one imports. */
function reachableFrom(
  start: URL,
): ReadonlyMap<string, { readonly code: string; readonly packages: string[] }> {
  const found = new Map<string, { code: string; packages: string[] }>();
  const visit = (file: URL): void => {
    if (found.has(file.href)) return;
    const code = readFileSync(fileURLToPath(file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    const imports = importsOf(code);
    found.set(file.href, { code, packages: imports.filter((name) => !name.startsWith('.')) });
    for (const name of imports) if (name.startsWith('.')) visit(new URL(name, file));
  };
  visit(start);
  return found;
}

describe('verydeep/web', () => {
  const files = new Map([...reachableFrom(entry), ...reachableFrom(worker)]);

  it('is what the package exports, and can be imported where there is no browser', async () => {
    assert.match(import.meta.resolve('verydeep/web'), /\/src\/browser\/index\.js$/);
    const { openModel } = await import('../../src/browser/index.ts');
    await assert.rejects(openModel(new Blob([])), {
      name: 'UserError',
      message: /^this browser has no WebGPU: /,
    });
  });

  it('reaches the networks, the shaders and the training', () => {
    const names = [...files.keys()].map((href) => href.slice(href.lastIndexOf('/src/') + 5));
    for (const name of [
      'net/network.js',
      'kernels/webgpu/inference-program.js',
      'train/trainer.js',
      'weights/model/metadata.js',
    ]) {
      assert.ok(names.includes(name), name);
    }
  });

  it('imports nothing of Node, and zod alone of all packages', () => {
    for (const [href, { packages }] of files) {
      for (const name of packages) assert.equal(name, 'zod', href);
    }
  });

  it('uses no global of Node', () => {
    const globals = /(?<![.\w$])(?:Buffer|process|global|require|__dirname|__filename|setImmediate)\b(?!:)/;
    const users = [...files].flatMap(([href, { code }]) => {
      const text = code.replaceAll(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '""');
      return globals.test(text) ? [`${href}: ${globals.exec(text)![0]}`] : [];
    });
    assert.deepEqual(users, []);
  });

  it('finds modules of Node and packages in the entry for Node, so it would notice them', () => {
    const all = [...reachableFrom(new URL('../index.js', entry)).values()];
    const packages = all.flatMap((file) => file.packages);
    assert.ok(packages.some((name) => name.startsWith('node:')));
    assert.ok(packages.includes('sharp'));
  });
});
