import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './project.mjs';
import { SetupError } from './report.mjs';

/** Refuses a Node version outside package.json's "engines", and unsupported systems. */
export function checkNode(version = process.versions.node, platform = process.platform) {
  if (platform === 'win32') {
    throw new SetupError(
      'Windows is not supported: run this in WSL (Debian or Ubuntu), or on Linux or macOS.',
    );
  }
  const range = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')).engines.node;
  if (allows(range, version)) return;
  throw new SetupError(
    `verydeep needs Node ${readable(range)}, but this is Node ${version}: install a newer one` +
      ' (Debian 13: apt-get install nodejs npm; elsewhere: https://nodejs.org), ' +
      'or borrow one for a single run: npx --yes --package=node@22 npm test',
  );
}

/**
 * Supports the part of npm's range syntax that package.json uses: `^a.b.c` and `>=a.b.c`, joined by `||`.
 * @param {string} range
 * @param {string} version
 */
export function allows(range, version) {
  const actual = numbers(version);
  return range.split('||').some((alternative) => {
    const least = numbers(alternative);
    const sameMajor = alternative.trim().startsWith('^');
    return compare(actual, least) >= 0 && (!sameMajor || actual[0] === least[0]);
  });
}

/** @param {string} range */
function readable(range) {
  return range
    .split('||')
    .map((part) =>
      part
        .trim()
        .replace(/^\^(\d+)\.(\d+)\.0$/, '$1 (from $1.$2)')
        .replace(/^>=(\d+)\.0\.0$/, '$1 or newer'),
    )
    .join(', ');
}

/** @param {string} version */
function numbers(version) {
  return (version.match(/\d+/g) ?? []).slice(0, 3).map(Number);
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function compare(a, b) {
  for (let i = 0; i < 3; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
