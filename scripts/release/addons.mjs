/** Builds the addons of one platform. */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../setup/command.mjs';
import { logFile, projectFolder } from '../setup/project.mjs';
import { addonFiles } from './targets.mjs';
import { libjpeg, releaseFolder, writeToolchain } from './toolchain.mjs';

/**
 * @param {import('./targets.mjs').Target} target
 * @param {{ zig: string, libjpegSource: string, out: string, jobs: string }} options out: folder for the addons
 */
export async function buildAddons(target, { zig, libjpegSource, out, jobs }) {
  const folder = join(releaseFolder, 'objects', target.name);
  rmSync(folder, { recursive: true, force: true });
  const toolchain = writeToolchain(target, zig, join(folder, 'toolchain'));
  /**
   * @param {string} source
   * @param {string} name
   * @param {string[]} options
   */
  const make = async (source, name, options) => {
    const build = join(folder, name);
    const log = logFile(`release-${target.name}`);
    const failure = `${name} cannot be built for ${target.name}`;
    const configure = ['cmake', '-S', source, '-B', build, `-DCMAKE_TOOLCHAIN_FILE=${toolchain}`];
    await run([...configure, '-DCMAKE_BUILD_TYPE=Release', ...options], { log, failure });
    const wanted = name === 'libjpeg' ? ['--target', 'jpeg-static'] : [];
    await run(['cmake', '--build', build, '--parallel', jobs, ...wanted], { log, failure });
    return build;
  };
  const jpeg = await make(libjpegSource, 'libjpeg', [
    '-DENABLE_SHARED=0',
    '-DWITH_TURBOJPEG=0',
    '-DWITH_JAVA=0',
    // Not used; libjpeg-turbo's default for Windows is not a path here.
    `-DCMAKE_INSTALL_PREFIX=${join(folder, 'installed')}`,
    '-DREQUIRE_SIMD=1',
    '-DCMAKE_POSITION_INDEPENDENT_CODE=1',
    // On macOS, zig exports whatever is visible. Without the policy, CMake ignores the preset in static libraries.
    '-DCMAKE_C_VISIBILITY_PRESET=hidden',
    '-DCMAKE_POLICY_DEFAULT_CMP0063=NEW',
    // Otherwise the date of the build.
    `-DBUILD=${libjpeg.version}`,
  ]);
  const include = join(folder, 'include');
  mkdirSync(include);
  for (const header of ['jpeglib.h', 'jmorecfg.h', 'jerror.h'])
    copyFileSync(join(libjpegSource, header), join(include, header));
  copyFileSync(join(jpeg, 'jconfig.h'), join(include, 'jconfig.h'));
  const library = ['libjpeg.a', 'jpeg-static.lib', 'libjpeg-static.a']
    .map((name) => join(jpeg, name))
    .find(existsSync);
  const builds = [
    await make(join(projectFolder, 'native/kernels'), 'kernels', []),
    await make(join(projectFolder, 'native/images'), 'images', [
      `-DJPEG_INCLUDE_DIR=${include}`,
      `-DJPEG_LIBRARY=${library}`,
    ]),
  ];
  mkdirSync(out, { recursive: true });
  for (const [i, file] of addonFiles.entries()) copyFileSync(join(builds[i] ?? '', file), join(out, file));
}
