/**
 * The whole test run: formatting and lint, the types of scripts and page, then every compiled test file under
 * Node's test runner. Compiling, in scripts/setup.mjs, has checked the types of the sources.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { projectFolder } from './setup/project.mjs';
import { compiler } from './setup/typescript.mjs';

const usage = `Usage: npm test [-- [options] [FILTER…]]

Without arguments: formatting, lint, types, then all tests.
With filters: only the test files whose path contains one of them, without formatting, lint and types.

  --concurrency N  test files run at a time (default: the number of cores)
  --timeout S      time limit for a test file, in seconds (default: 300)
  --name PATTERN   only tests whose name matches
  --help           print this help

Examples: npm test -- kernels    npm test -- unit/shape --name "output size"`;

const biome = join(projectFolder, 'node_modules/@biomejs/biome/bin/biome');

process.exitCode = main();

function main() {
  const options = readOptions();
  if (typeof options === 'number') return options;
  const files = testFiles(options.filters);
  if (files.length === 0) {
    complain(
      options.filters.length > 0
        ? `no test file's path contains ${options.filters.join(' or ')}; the test files are:\n${testFiles([]).join('\n')}`
        : 'dist/test has no compiled test file: run node scripts/setup.mjs first.',
    );
    return 1;
  }
  const failed = options.filters.length > 0 ? [] : failedChecks();
  const testStatus = runTests(files, options);
  // Reported after the tests, so that one run shows everything that is wrong.
  for (const name of failed) complain(`${name} failed; see above.`);
  return testStatus !== 0 ? testStatus : failed.length > 0 ? 1 : 0;
}

/** @returns {string[]} */
function failedChecks() {
  const colors = process.stdout.isTTY ? 'force' : 'off';
  const checks = {
    'formatting and lint': [biome, 'check', '--error-on-warnings', `--colors=${colors}`, '.'],
    "the scripts' types": [compiler, '-p', 'scripts'],
    "the page's types": [compiler, '-p', 'web'],
  };
  return Object.entries(checks).flatMap(([name, args]) => (runNode(args) === 0 ? [] : [name]));
}

/**
 * @param {string[]} files
 * @param {{ concurrency: string, timeout: string, name: string | undefined }} options
 */
function runTests(files, { concurrency, timeout, name }) {
  return runNode([
    '--enable-source-maps',
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${concurrency}`,
    `--test-timeout=${Number(timeout) * 1000}`,
    ...(name === undefined ? [] : [`--test-name-pattern=${name}`]),
    ...files,
  ]);
}

/** @param {string[]} args */
function runNode(args) {
  const { status, error } = spawnSync(process.execPath, args, { cwd: projectFolder, stdio: 'inherit' });
  if (error) complain(error.message);
  return status ?? 1;
}

/** @param {string[]} filters */
function testFiles(filters) {
  const all = filesBelow(join(projectFolder, 'dist/test')).map((file) => relative(projectFolder, file));
  return all
    .filter((file) => file.endsWith('.test.js'))
    .filter(
      (file) =>
        filters.length === 0 || filters.some((filter) => file.includes(filter.replace(/\.ts$/, '.js'))),
    )
    .sort();
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(path) : [path];
  });
}

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        concurrency: { type: 'string', default: String(availableParallelism()) },
        timeout: { type: 'string', default: '300' },
        name: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${usage}\n`);
      return 0;
    }
    for (const option of /** @type {const} */ (['concurrency', 'timeout'])) {
      if (!(Number(values[option]) > 0))
        throw new Error(`--${option} takes a positive number, not ${values[option]}`);
    }
    return { ...values, filters: positionals, name: values.name };
  } catch (error) {
    complain(`${/** @type {Error} */ (error).message}\n\n${usage}`);
    return 2;
  }
}

/** @param {string} message */
function complain(message) {
  process.stderr.write(`npm test: ${message}\n`);
}
