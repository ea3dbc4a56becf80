/** Runs the addons of a release on this Linux machine (x64), foreign ones under emulators. */
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runnerOf } from './release/runners.mjs';
import { addonFiles, targets } from './release/targets.mjs';
import { releaseFolder } from './release/toolchain.mjs';
import { forwardSignals, interruptExitCode, probe, run } from './setup/command.mjs';
import { logFile, projectFolder } from './setup/project.mjs';
import { SetupError, say, step } from './setup/report.mjs';

const usage = `Usage: node scripts/smoke.mjs [--targets NAMES]

Runs conformance tests and image decoding on the addons that scripts/release.mjs has built: arm64 under
qemu-user (Debian: qemu-user-static, libstdc++6-arm64-cross), musl with Debian 13's C library, Windows under
Wine (wine64). Node for them comes from PyPI and npm. macOS is skipped: it needs a Mac.

  --targets NAMES  only these, separated by commas (default: those that are built)
  --help           print this help`;

/** Each is a whole test file that needs nothing but the kernels. */
const tests = ['conformance-layers', 'conformance-convolution', 'conformance-sgd'];

const sharpStub = 'module.exports = { cache() {}, concurrency() {}, format: { heif: { input: {} } } };\n';

process.exitCode = await main();

async function main() {
  try {
    const { values } = parseArgs({
      options: { targets: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
    if (values.help) {
      process.stdout.write(`${usage}\n`);
      return 0;
    }
    forwardSignals();
    const failed = [];
    for (const target of chosen(values.targets)) if (!(await smoke(target))) failed.push(target.name);
    if (failed.length > 0) throw new SetupError(`These addons failed: ${failed.join(', ')}.`);
    return 0;
  } catch (error) {
    if (!(error instanceof SetupError) && !(error instanceof TypeError)) throw error;
    say(`\nsmoke: ${error.message}`);
    return interruptExitCode() ?? 1;
  }
}

/** @param {string | undefined} names */
function chosen(names) {
  const built = targets.filter(({ name }) => existsSync(join(releaseFolder, 'addons', name)));
  const wanted = names?.split(',') ?? built.map(({ name }) => name);
  const missing = wanted.find((name) => !built.some((target) => target.name === name));
  if (missing !== undefined) {
    throw new SetupError(`${missing} is not built: node scripts/release.mjs --targets ${missing}`);
  }
  return built.filter(({ name }) => wanted.includes(name));
}

/** @param {import('./release/targets.mjs').Target} target @returns whether nothing failed */
async function smoke(target) {
  const { name } = target;
  let isFine = true;
  const attempt = async (
    /** @type {string} */ what,
    /** @type {() => Promise<string | undefined>} */ work,
  ) => {
    try {
      await step(`${name}: ${what}`, work);
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      say(error.message);
      isFine = false;
    }
  };
  const folder = stage(target);
  const runner = await runnerOf(target);
  if (typeof runner === 'string') {
    say(`${name}: skipped (${runner})`);
    return true;
  }
  const log = logFile(`smoke-${name}`);
  const failure = 'failed';
  const images = join(folder, 'check-images.mjs');
  cpSync(join(projectFolder, 'scripts/release/check-images.mjs'), images);
  await attempt('images', async () => {
    const expected = probe([
      process.execPath,
      images,
      join(projectFolder, 'build/images', addonFiles[1] ?? ''),
    ]);
    if (expected.status !== 0)
      throw new SetupError(`This machine's own addon fails: ${expected.stderr.trim()}`);
    const addon = `./node_modules/@verydeep/${name}/${addonFiles[1]}`;
    await run([...runner, images, addon, expected.stdout.trim()], { log, failure, cwd: folder });
    return undefined;
  });
  for (const test of tests) {
    await attempt(test, async () => {
      const file = `dist/test/kernels/${test}.test.js`;
      await run([...runner, file], { log, failure, cwd: folder });
      return undefined;
    });
  }
  return isFine;
}

/**
 * A copy of the compiled project without addons of its own, beside the platform's package.
 * @param {import('./release/targets.mjs').Target} target
 */
function stage({ name }) {
  const folder = join(releaseFolder, 'smoke', name);
  rmSync(folder, { recursive: true, force: true });
  const platform = join(folder, 'node_modules/@verydeep', name);
  mkdirSync(platform, { recursive: true });
  for (const file of addonFiles) cpSync(join(releaseFolder, 'addons', name, file), join(platform, file));
  for (const part of ['dist/src', 'dist/test', 'package.json']) {
    cpSync(join(projectFolder, part), join(folder, part), { recursive: true });
  }
  cpSync(join(projectFolder, 'package.json'), join(platform, 'package.json'));
  // sharp is here for this machine only, and these tests read no images with it.
  const sharp = join(folder, 'node_modules/sharp');
  mkdirSync(sharp, { recursive: true });
  writeFileSync(join(sharp, 'index.js'), sharpStub);
  return folder;
}
