/** Builds the npm packages of a release, for every platform, on one Linux machine (x64). */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAddons } from './release/addons.mjs';
import { checkAddon } from './release/check.mjs';
import { packMain, packPlatform } from './release/packages.mjs';
import { addonFiles, targets } from './release/targets.mjs';
import { checkAssembler, installZig, releaseFolder, unpackLibjpeg } from './release/toolchain.mjs';
import { forwardSignals, interruptExitCode } from './setup/command.mjs';
import { SetupError, say, step } from './setup/report.mjs';

const usage = `Usage: node scripts/release.mjs [--targets NAMES] [--libjpeg FILE] [--jobs N] [--twice]

Builds the addons for each platform, checks them, and packs verydeep and @verydeep/<platform> into
build/release/packages. Run \`npm run build\` first. Needs Python 3, CMake, make, nasm and binutils.

  --targets NAMES  only these, separated by commas (default: ${targets.map(({ name }) => name).join(',')})
  --libjpeg FILE   libjpeg-turbo's source archive (default: Debian's source package, by apt-get)
  --jobs N         files compiled at a time (default: the number of cores)
  --twice          build everything again and fail unless the files are the same
  --help           print this help`;

process.exitCode = await main();

async function main() {
  try {
    const { values } = parseArgs({
      options: {
        targets: { type: 'string', default: targets.map(({ name }) => name).join(',') },
        libjpeg: { type: 'string' },
        jobs: { type: 'string', default: String(availableParallelism()) },
        twice: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(`${usage}\n`);
      return 0;
    }
    forwardSignals();
    await release(values);
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError) && !(error instanceof TypeError)) throw error;
    say(`\nrelease: ${error.message}`);
    if (error instanceof SetupError && error.detail) say(`\n${error.detail}`);
    return interruptExitCode() ?? 1;
  }
}

/** @param {{ targets: string, libjpeg?: string, jobs: string, twice: boolean }} options */
async function release({ targets: names, libjpeg, jobs, twice }) {
  const chosen = names.split(',').map(targetNamed);
  checkAssembler();
  const zig = await installZig();
  const libjpegSource = await unpackLibjpeg(libjpeg);
  const folders = { stage: join(releaseFolder, 'stage'), out: join(releaseFolder, 'packages') };
  for (const target of chosen) {
    const out = join(releaseFolder, 'addons', target.name);
    const build = () => buildAddons(target, { zig, libjpegSource, out, jobs });
    await step(`${target.name}: build`, async () => void (await build()));
    for (const file of addonFiles) checkAddon(join(out, file), target);
    if (twice) {
      const before = hashesIn(out);
      await step(`${target.name}: build again`, async () => void (await build()));
      if (hashesIn(out) !== before)
        throw new SetupError(`Building ${target.name} twice gives different files.`);
    }
    await packPlatform(target, { addons: addonFiles.map((file) => join(out, file)), ...folders });
  }
  await step('verydeep: pack', async () => void (await packMain(folders)));
}

/** @param {string} folder */
function hashesIn(folder) {
  const hash = (/** @type {string} */ name) => createHash('sha256').update(readFileSync(join(folder, name)));
  return addonFiles.map((name) => hash(name).digest('hex')).join(' ');
}

/** @param {string} name */
function targetNamed(name) {
  const target = targets.find((each) => each.name === name);
  if (target) return target;
  throw new SetupError(
    `There is no target ${name}; choose from ${targets.map((each) => each.name).join(', ')}.`,
  );
}
