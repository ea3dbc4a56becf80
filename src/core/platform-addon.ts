/** Finds the compiled addons: in the project's own build folder, or in npm's package for this platform. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { messageOf } from './errors.ts';
import { projectFolder } from './project.ts';

/** A place where an addon was looked for. */
export interface AddonAttempt {
  readonly source: string;
  /** Why it was not taken; absent if it was. */
  readonly problem?: string;
}

export interface FoundAddon<T> {
  /** Undefined if no place has an addon that loads. */
  readonly addon?: T;
  /** In the order in which they were tried; the last one was taken, if any. */
  readonly tried: readonly AddonAttempt[];
}

/** The platform in the name of its package, such as `linux-x64`, `linuxmusl-arm64` or `win32-x64`. */
export function platformName(): string {
  return `${process.platform === 'linux' && !hasGlibc() ? 'linuxmusl' : process.platform}-${process.arch}`;
}

function hasGlibc(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header?.glibcVersionRuntime !== undefined;
}

/**
 * Loads an addon from the first place where it loads.
 * @param built its file in the project's build folder
 * @param name its file in the platform's package
 */
export function findAddon<T>(built: string, name: string): FoundAddon<T> {
  const require = createRequire(import.meta.url);
  const packageName = `@verydeep/${platformName()}`;
  const places = [
    {
      source: built,
      file: () => (existsSync(built) ? built : fail('not built')),
    },
    {
      source: packageName,
      file: () => {
        const manifest = join(packageFolder(require, packageName), 'package.json');
        const { version } = require(manifest) as { version: string };
        const { version: own } = require(join(projectFolder, 'package.json')) as { version: string };
        if (version !== own) fail(`version ${version} does not match verydeep ${own}`);
        return require.resolve(`${packageName}/${name}`);
      },
    },
  ];
  const tried: AddonAttempt[] = [];
  for (const { source, file } of places) {
    try {
      const addon = require(file()) as T;
      return { addon, tried: [...tried, { source }] };
    } catch (error) {
      tried.push({ source, problem: messageOf(error).split('\n')[0]! });
    }
  }
  return { tried };
}

function packageFolder(require: NodeJS.Require, name: string): string {
  try {
    return join(require.resolve(`${name}/package.json`), '..');
  } catch {
    return fail('not installed');
  }
}

function fail(problem: string): never {
  throw new Error(problem);
}

/** Such as `@verydeep/linux-x64 (not installed)`. */
export function formatAttempts(tried: readonly AddonAttempt[]): string {
  return tried
    .map(({ source, problem }) => (problem === undefined ? source : `${source} (${problem})`))
    .join(', ');
}

/** How to get the addons. */
export const ADDON_REMEDY = existsSync(join(projectFolder, 'native/kernels'))
  ? 'run `npm run setup` to build them for this machine'
  : 'reinstall verydeep without --omit=optional on a supported platform (docs/guides/installing.md)';
