import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { buildProgram, commandNames } from '../../src/cli/program.ts';
import { projectFolder } from '../../src/core/project.ts';
import { parseModelName } from '../../src/weights/download/model-name.ts';
import { png, writeFiles } from '../support/images.ts';
import { words } from './cli-process.ts';
import { Workplace } from './training-runs.ts';

/** What the reader has after `npm run demo`, besides the project's own files. */
const AFTER_DEMO = [
  /^runs\/demo(\/(best|last)\.safetensors)?$/,
  /^runs\/photos(\/(train|val)(\/(bag|coat|sneaker|trouser)(\/00(0[1-9]|1\d|20)\.png)?)?)?$/,
  /^\/usr\/share\/datasets\/fashion-mnist$/,
];
/** Data sets that the text asks the reader to get. */
const ELSEWHERE = ['cifar10', 'ILSVRC'];
/** Options whose value is a file or folder that must exist. */
const INPUTS = ['--model', '--recipe', '--plan', '--from', '--from-shallower', '--data'];
/** Commands whose last argument is written. */
const WRITERS = ['convert', 'pack'];

/** The commands of a document's shell blocks, without comments. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!);
  return blocks
    .flatMap((block) => block.split('\n'))
    .map((line) => line.replace(/\s+#.*/, '').trim())
    .filter((line) => line !== '');
}

class Reader {
  readonly #made: string[] = [];

  has(path: string): boolean {
    return (
      ELSEWHERE.includes(path) ||
      parseModelName(path) !== undefined ||
      AFTER_DEMO.some((pattern) => pattern.test(path)) ||
      this.#made.some((made) => path === made || path.startsWith(`${made}/`)) ||
      (/^(recipes|plans)\//.test(path) && existsSync(join(projectFolder, path)))
    );
  }

  make(path: string): void {
    assert.match(path, /^runs\//, 'what a reader writes goes to runs');
    this.#made.push(path);
  }

  /** Files that the text asks the reader to save. */
  save(text: string): void {
    for (const [, path] of text.matchAll(/save this(?: one)? as `([^`]+)`/gi)) this.make(path!);
  }

  needs(path: string): void {
    assert.ok(this.has(path), `${path} does not exist and no command before makes it`);
  }

  async follow(line: string): Promise<void> {
    const [program, ...words] = line.split(/\s+/) as [string, ...string[]];
    if (program === 'npx' && ['vgg', 'verydeep'].includes(words[0]!)) return this.#vgg(words.slice(1));
    if (program === 'npm') return assert.ok(await isScript(words.at(-1)!), `${line}: no such script`);
    if (program === 'ls') return this.needs(words[0]!);
    assert.equal(program, 'curl');
    const body = words.find((word) => word.startsWith('@'));
    if (body) this.needs(body.slice(1));
    if (words.includes('-o')) this.make(words[words.indexOf('-o') + 1]!);
  }

  async #vgg([name, ...words]: string[]): Promise<void> {
    assert.ok(commandNames.includes(name!), `there is no vgg ${name}`);
    const command = (await buildProgram([name!])).commands[0]!;
    const { values, options } = split(command, words);
    for (const [option, value] of options) if (INPUTS.includes(option)) this.needs(value);
    const written = WRITERS.includes(name!) ? values.pop() : undefined;
    for (const path of values) this.needs(path);
    for (const path of [written, options.find(([option]) => option === '--out')?.[1]]) {
      if (path) this.make(path);
    }
  }
}

/** A command's arguments and the values of its options, which commander must know and accept. */
function split(command: Command, words: readonly string[]) {
  const values: string[] = [];
  const options: [string, string][] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (!word.startsWith('--')) {
      values.push(word);
      continue;
    }
    const option = command.options.find(({ long }) => long === word);
    assert.ok(option, `vgg ${command.name()} has no ${word}`);
    if (!option.required) continue;
    const value = words[++at]!;
    option.parseArg?.(value, undefined);
    options.push([word, value]);
  }
  return { values, options };
}

async function isScript(name: string): Promise<boolean> {
  const { scripts } = JSON.parse(await readFile(join(projectFolder, 'package.json'), 'utf8'));
  return name in scripts;
}

describe('the commands', () => {
  const tutorials = readdirSync(join(projectFolder, 'docs/tutorials'));
  const files = ['README.md', ...tutorials.map((name) => join('docs/tutorials', name))];
  for (const file of files) {
    it(`of ${file} exist, and so do the files that they read`, async () => {
      const text = await readFile(join(projectFolder, file), 'utf8');
      const lines = commandsIn(text);
      assert.ok(lines.length > 0);
      const reader = new Reader();
      reader.save(text);
      for (const line of lines) await assert.doesNotReject(reader.follow(line), line);
    });
  }

  it('start each training in another folder, whichever documents a reader follows', async () => {
    const texts = await Promise.all(files.map((file) => readFile(join(projectFolder, file), 'utf8')));
    const started = texts
      .flatMap(commandsIn)
      .filter((line) => /\b(?:vgg|verydeep) train /.test(line) && !line.includes('--resume'))
      .map((line) => /--out (\S+)/.exec(line)?.[1]);
    assert.ok(started.length > 4);
    assert.deepEqual(started, [...new Set(started)]);
  });
});

describe('the README', () => {
  const work = new Workplace();

  it("has an example of the library that runs as written, in a TypeScript developer's project", async () => {
    const readme = await readFile(join(projectFolder, 'README.md'), 'utf8');
    const example = /```ts\n(.*?)```/s.exec(readme)?.[1];
    assert.ok(example);
    assert.ok(example.match(/^.+$/gm)!.length <= 10, 'more than ten lines');
    await cp(work.path('photos'), work.path('runs/photos'), { recursive: true });
    const coat = await png(60, 50, 0);
    await writeFiles(work.path('runs/photos'), { 'val/coat/0015.png': coat, 'train/coat/0001.png': coat });
    // Within the project its own name resolves to its own build.
    const folder = join(projectFolder, 'build', 'readme');
    await mkdir(folder, { recursive: true });
    try {
      const file = join(folder, 'example.ts');
      await writeFile(file, example);
      const tsc = join(projectFolder, 'node_modules', 'typescript', 'bin', 'tsc');
      const options = words`--module nodenext --target es2023 --strict --skipLibCheck --types node`;
      const run = promisify(execFile);
      await run(process.execPath, [tsc, ...options, '--ignoreConfig', file], { cwd: folder });
      const { stdout } = await run(process.execPath, [join(folder, 'example.js')], { cwd: work.folder });
      assert.match(stdout, /top-1 error \d+\.\d % on 13 images\nmost likely: (cat|coat|dog|owl)\n/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
