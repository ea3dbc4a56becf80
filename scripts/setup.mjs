/**
 * Sets up a fresh machine: system packages, npm packages, the native addons, the compiled TypeScript. Plain
 * JavaScript without dependencies, since it runs before anything is installed. It skips what is already there,
 * so a second run takes a second.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { forwardSignals, interruptExitCode } from './setup/command.mjs';
import { takeLock } from './setup/lock.mjs';
import { buildImageAddon, buildMpiAddon, buildNativeAddon } from './setup/native-addon.mjs';
import { installNodePackages } from './setup/node-packages.mjs';
import { checkNode } from './setup/node-version.mjs';
import { buildPage } from './setup/page.mjs';
import { buildFolder } from './setup/project.mjs';
import { SetupError, say, step } from './setup/report.mjs';
import {
  installBrowser,
  installDataset,
  installJpeg,
  installMpi,
  installSystemPackages,
} from './setup/system-packages.mjs';
import { buildTypeScript } from './setup/typescript.mjs';

const usage = `Usage: node scripts/setup.mjs [--demo] [--mpi] [--browser] [--build-only]

Installs what is missing (npm packages, and system packages through apt-get where it may; it needs a C++
compiler and CMake, and uses libjpeg-turbo for reading JPEGs faster), builds the
native addons into build/, compiles the TypeScript into dist/ and builds the page of vgg serve into
dist/web. The logs are in build/logs.

  --demo        also install the demo's images (Debian's package dataset-fashion-mnist)
  --mpi         also install MPI, for training on several machines
  --browser     also install a browser, for the tests of the page (Debian's package chromium)
  --build-only  build without installing anything
  --help        print this help`;

process.exitCode = await main();

async function main() {
  const options = readOptions();
  if (typeof options === 'number') return options;
  try {
    checkNode();
    forwardSignals();
    const giveBack = await takeLock(join(buildFolder, 'setup.lock'));
    process.on('exit', giveBack);
    await setUp(options);
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\nset-up: ${error.message}`);
    if (error.detail) say(`\n${error.detail}`);
    return interruptExitCode() ?? 1;
  }
}

/** @param {{ demo: boolean, mpi: boolean, browser: boolean, 'build-only': boolean }} options */
async function setUp(options) {
  if (!options['build-only']) {
    await step('system packages', installSystemPackages);
    if (options.mpi) await step('MPI', installMpi);
    if (options.browser) await step('browser', installBrowser);
    if (options.demo) await step('demo images', installDataset);
    else await step('libjpeg-turbo', installJpeg);
    await step('npm packages', installNodePackages);
  }
  await step('native addon', buildNativeAddon);
  await step('image addon', buildImageAddon);
  await step('MPI addon', buildMpiAddon);
  await step('TypeScript', buildTypeScript);
  await step('page', buildPage);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        demo: { type: 'boolean', default: false },
        mpi: { type: 'boolean', default: false },
        browser: { type: 'boolean', default: false },
        'build-only': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!values.help) return values;
    process.stdout.write(`${usage}\n`);
    return 0;
  } catch (error) {
    say(`set-up: ${/** @type {Error} */ (error).message}\n\n${usage}`);
    return 2;
  }
}
