/**
 * Writes docs/reference: the command line and the recipe's keys from the schemas behind `--help`, the HTTP
 * interface from the OpenAPI document, the library from its docstrings. It reads dist/, so compile first.
 *
 *   npm run docs
 *   node tools/reference/generate.mjs --out build/reference     # elsewhere, to compare
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commandLinePage } from './command-line.mjs';
import { httpPage } from './http.mjs';
import { libraryPages } from './library.mjs';
import { recipePage } from './recipe-keys.mjs';

const projectFolder = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { values } = parseArgs({
  options: { out: { type: 'string', default: join(projectFolder, 'docs/reference') } },
});
const pages = {
  'command-line.md': await commandLinePage(),
  'recipe-keys.md': recipePage(),
  'http.md': await httpPage(),
  ...(await libraryPages(projectFolder)),
};
await mkdir(values.out, { recursive: true });
for (const [name, text] of Object.entries(pages)) await writeFile(join(values.out, name), text);
console.log(`${Object.keys(pages).join(', ')} written to ${values.out}`);
