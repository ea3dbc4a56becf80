/** The packages of a release, installed from a registry on this machine into an empty folder, as a user has them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { platformName } from '../../src/core/platform-addon.ts';
import { projectFolder, version } from '../../src/core/project.ts';
import { startRanks } from '../mpi/ranks.ts';
import { hashesBelow, NpmRegistry } from '../support/npm-registry.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type Outcome, outcomeOf, succeeded, textOf, words } from './cli-process.ts';
import { QUICK, writePhotos } from './training-runs.ts';

interface Release {
  packMain(folders: object): Promise<void>;
  packPlatform(target: Target, folders: object): Promise<void>;
  platformManifest(target: Target): { name: string; version: string };
}
interface Target {
  readonly name: string;
}
const scripts = (name: string) => import(pathToFileURL(join(projectFolder, 'scripts/release', name)).href);

/** npm's program, under the Node that runs this test. */
function npmCli(): string {
  const beside = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
  const named = [process.env.npm_execpath, beside, '/usr/share/nodejs/npm/bin/npm-cli.js'];
  return named.find((file) => file?.endsWith('npm-cli.js') && existsSync(file))!;
}

const { targets } = (await scripts('targets.mjs')) as { targets: readonly Target[] };
const hasMpi = ['mpicxx', 'mpirun', 'cmake'].every(
  (program) => spawnSync(program, ['--version']).status === 0,
);
const isReleased = targets.some(({ name }) => name === platformName());

describe('the installed package', { skip: !isReleased && `no release for ${platformName()}` }, () => {
  const work = new TemporaryFolder();
  const home = work.path('home');
  const installed = join(home, 'node_modules/verydeep');
  const registry = new NpmRegistry();
  after(() => registry.stop());

  /** Runs a program of an otherwise empty path: no compiler, no CMake. */
  function start(command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const PATH = work.path('bin');
    return spawn(process.execPath, command, {
      cwd: home,
      env: { PATH, HOME: work.path('user'), XDG_CACHE_HOME: work.path('cache'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }
  const node = (...command: readonly string[]): Promise<Outcome> => outcomeOf(start(command));
  const npm = (...command: readonly string[]) => node(npmCli(), ...command);
  const verydeep = (...command: Parameters<typeof words>) =>
    node(join(installed, 'dist/src/cli/vgg.cjs'), ...words(...command));

  before(async () => {
    const { packMain, packPlatform, platformManifest } = (await scripts('packages.mjs')) as Release;
    const folders = { stage: work.path('stage'), out: work.path('packed') };
    await packMain(folders);
    const archive = (name: string) => () => readFileSync(join(folders.out, `${name}-${version}.tgz`));
    registry.publish(
      JSON.parse(readFileSync(join(folders.stage, 'verydeep/package.json'), 'utf8')),
      archive('verydeep'),
    );
    for (const target of targets) {
      if (target.name === platformName()) {
        const addons = ['native/verydeep_kernels.node', 'images/verydeep_images.node'];
        const built = addons.map((name) => join(projectFolder, 'build', name));
        await packPlatform(target, { ...folders, addons: built });
      }
      registry.publish(platformManifest(target), archive(`verydeep-${target.name}`));
    }
    for (const folder of ['home', 'user', 'bin']) await mkdir(work.path(folder));
    await symlink(process.execPath, work.path('bin', 'node'));
    // npx starts programs through a shell.
    await symlink('/bin/sh', work.path('bin', 'sh'));
    await writePhotos(join(home, 'photos'));
    const url = await registry.start();
    await writeFile(
      work.path('user', '.npmrc'),
      `registry=${url}/\naudit=false\nfund=false\nupdate-notifier=false\n`,
    );
    const { stderr } = await succeeded(npm('install', 'verydeep', '--ignore-scripts'));
    assert.doesNotMatch(stderr, /EBADENGINE|deprecated/);
  });

  it("has the addons of this platform's package only", () => {
    const fetched = registry.fetched.filter((name) => name.startsWith('@verydeep/'));
    assert.deepEqual(fetched, [`@verydeep/${platformName()}`]);
  });

  it('contains no source maps, and nothing that refers to one', () => {
    for (const file of hashesBelow(installed).keys()) {
      // A linker's script for build-mpi.
      if (file !== 'native/node_api.map') assert.doesNotMatch(file, /\.map$/);
      if (/\.[cm]?js$/.test(file)) {
        assert.doesNotMatch(readFileSync(join(installed, file), 'utf8'), /^\/\/# sourceMappingURL/m, file);
      }
    }
  });

  it("runs doctor, which names the platform's package and why there is no build of its own", async () => {
    const { stdout } = await succeeded(npm('exec', '--', 'verydeep', 'doctor'));
    assert.match(stdout, new RegExp(`from @verydeep/${platformName()}; not .*\\(not built\\)`));
  });

  it('trains, evaluates and predicts', async () => {
    await succeeded(verydeep`train photos --out run ${QUICK} --iterations 3`);
    await succeeded(verydeep`evaluate photos --model run/best.safetensors`);
    const { stdout } = await succeeded(verydeep`predict photos/val/cat/8.jpg --model run/best.safetensors`);
    assert.match(stdout, /cat|dog|owl/);
  });

  it('serves', async (t) => {
    const child = start([
      join(installed, 'dist/src/cli/vgg.cjs'),
      ...words`serve --model run/best.safetensors --port 0`,
    ]);
    t.after(() => child.kill('SIGKILL'));
    const stderr = textOf(child, 'stderr');
    let url: string | undefined;
    while (url === undefined) {
      await Promise.race([once(child.stderr!, 'data'), once(child, 'exit')]);
      assert.equal(child.exitCode, null, stderr());
      url = /Serving on (\S+)/.exec(stderr())?.[1];
    }
    const body = new Uint8Array(readFileSync(join(home, 'photos/val/cat/8.jpg')));
    const answer = await fetch(`${url}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body,
    });
    assert.equal(answer.status, 200);
    assert.match(await (await fetch(url)).text(), /<title>/);
  });

  it('starts the demo on the images that come with it', async () => {
    const data = join(installed, 'images/fashion-mnist-part');
    const child = start([join(installed, 'dist/src/cli/vgg.cjs'), 'demo', '--data', data]);
    const [outcome, stderr] = [outcomeOf(child), textOf(child, 'stderr')];
    // Once: a second Ctrl-C would not save.
    let interrupted = false;
    child.stderr!.on('data', () => {
      if (interrupted || !stderr().includes('epoch 1.0')) return;
      interrupted = child.kill('SIGINT');
    });
    await outcome;
    assert.match(stderr(), /a part of Fashion-MNIST: 2,000 of its 60,000 photographs/);
    assert.match(stderr(), /continue with: npx verydeep train --out \S+ --resume/);
  });

  it('is imported as an ES module and by require', async () => {
    const esm = "import('verydeep').then(({ configurationNames }) => console.log(configurationNames.join()))";
    const cjs = "console.log(require('verydeep').configurationNames.join())";
    for (const script of [esm, cjs]) {
      assert.equal((await succeeded(node('-e', script))).stdout, 'A,A-LRN,B,C,D,E,B-5x5\n');
    }
  });

  it('has types for ES modules, CommonJS and bundlers, from the oldest supported TypeScript on', async () => {
    const use =
      "const recipe: Recipe = resolveRecipe({ config: 'A' });\nexport const model: Promise<Classifier> = Classifier.open(recipe.config);\n";
    const load = "import { Classifier, type Recipe, resolveRecipe } from 'verydeep';\n";
    await writeFile(join(home, 'module.mts'), load + use);
    await writeFile(
      join(home, 'common.cts'),
      `${load}import whole = require('verydeep');\n${use}export const { trainNetwork } = whole;\n`,
    );
    // Consumers of a library for Node have Node's types.
    await mkdir(join(home, 'node_modules/@types'), { recursive: true });
    for (const name of ['@types/node', 'undici-types']) {
      const target = join(home, 'node_modules', name);
      if (!existsSync(target)) await symlink(join(projectFolder, 'node_modules', name), target);
    }
    const flags = words`--ignoreConfig --noEmit --strict --target es2022 --lib es2022 --types node --skipLibCheck false`;
    const compilers = ['test/oldest-typescript/node_modules/typescript', 'node_modules/typescript'];
    for (const compiler of compilers) {
      const tsc = join(projectFolder, compiler, 'bin/tsc');
      const isOld = compiler === compilers[0];
      const common = isOld ? flags.slice(1) : flags;
      for (const how of [
        words`--module node16 module.mts common.cts`,
        words`--module esnext --moduleResolution bundler module.mts`,
      ]) {
        const { code, stdout } = await node(tsc, ...common, ...how);
        assert.equal(code, 0, `${compiler} ${how.join(' ')}:\n${stdout}`);
      }
    }
  });

  it('has no script that a user could run by mistake, and loses no file by trying', async () => {
    const before = hashesBelow(installed);
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    assert.equal(manifest.scripts, undefined);
    const { scripts: own } = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8'));
    for (const name of Object.keys(own)) {
      const { code } = await npm('--prefix', installed, 'run', name);
      assert.notEqual(code, 0);
    }
    assert.deepEqual(hashesBelow(installed), before);
  });

  it('builds the addon over MPI, with which ranks train together', {
    skip: !hasMpi && 'no MPI',
  }, async () => {
    const vgg = join(installed, 'dist/src/cli/vgg.cjs');
    const built = await succeeded(outcomeOf(start([vgg, 'build-mpi'], { PATH: process.env.PATH })));
    assert.match(built.stdout, /verydeep_mpi\.node is built/);
    const [photos, out] = [join(home, 'photos'), join(home, 'ranks')];
    const training = words`train ${photos} --out ${out} ${QUICK} --iterations 3 --mpi`;
    const ranks = startRanks(2, vgg, training, { XDG_CACHE_HOME: work.path('cache') });
    const { stderr } = await succeeded(outcomeOf(ranks));
    assert.match(stderr, /2 ranks share each batch/);
  });

  it("says what is missing to build the addon over MPI, and reports when the platform's package is missing", async () => {
    const { code, stderr } = await verydeep`build-mpi`;
    assert.equal(code, 1);
    assert.match(stderr, /no MPI: install libopenmpi-dev/);
    const scope = join(home, 'node_modules/@verydeep');
    assert.deepEqual(readdirSync(scope), [platformName()]);
    await rename(scope, `${scope}-away`);
    const { stdout } = await verydeep`doctor`;
    await rename(`${scope}-away`, scope);
    assert.match(stdout, new RegExp(`@verydeep/${platformName()} \\(not installed\\)`));
  });
});

it('the clone itself cannot be published', () => {
  assert.equal(JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')).private, true);
});
