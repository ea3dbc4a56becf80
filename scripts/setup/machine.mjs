import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { probe } from './command.mjs';

/** Which requirements of the build this machine meets, found by looking for files and programs, not packages. */
export class Machine {
  compiler = [process.env.CXX, 'c++', 'g++', 'clang++'].find((name) => name && answers(name));
  #headers = includable(this.compiler, ['jpeglib.h']);

  hasMakeOrNinja = () => answers('make') || answers('ninja');
  hasCMake = () => answers('cmake');
  hasJpeg = () => this.#headers.has('jpeglib.h');
  /**
   * The flags that MPI's compiler wrapper adds, which differ by library and version. Both the wrapper, which comes
   * with the headers, and the launcher, which starts the ranks, are needed.
   */
  mpi = () => {
    if (!answers('mpirun')) return undefined;
    const shown = ['mpicxx', 'mpic++'].map((name) => probe([name, '-show']));
    return shown.find(({ status }) => status === 0)?.stdout.trim();
  };
  /** Official builds of Node include certificates; a distribution's Node uses the system's. */
  hasCertificates = () => !usesSystemCertificates() || certificateBundles.some(existsSync);
}

export const fashionMnistFolder = '/usr/share/datasets/fashion-mnist';
export const fashionMnistFiles = [
  'train-images-idx3-ubyte.gz',
  'train-labels-idx1-ubyte.gz',
  't10k-images-idx3-ubyte.gz',
  't10k-labels-idx1-ubyte.gz',
];

export function hasFashionMnist() {
  return fashionMnistFiles.every((name) => existsSync(join(fashionMnistFolder, name)));
}

const certificateBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** @param {string} program */
function answers(program) {
  return probe([program, '--version']).status === 0;
}

/**
 * Asks the compiler, if there is one, since it knows its include folders, and looks into the other folders that
 * CMake searches.
 * @param {string | undefined} compiler
 * @param {string[]} headers
 */
function includable(compiler, headers) {
  const question = headers.map((name, i) => `#if __has_include(<${name}>)\nfound_${i}\n#endif\n`).join('');
  const answer = compiler ? probe([compiler, '-E', '-P', '-x', 'c++', '-'], question).stdout : '';
  return new Set(
    headers.filter(
      (name, i) =>
        answer.includes(`found_${i}`) ||
        prefixes().some((prefix) => existsSync(join(prefix, 'include', name))),
    ),
  );
}

function prefixes() {
  const named = [process.env.CMAKE_PREFIX_PATH, process.env.CONDA_PREFIX];
  const usual = ['/usr', '/usr/local', '/opt/homebrew'];
  // Homebrew keeps some packages apart, since macOS has others of the same name.
  const apart = ['/opt/homebrew/opt', '/usr/local/opt'].flatMap((folder) =>
    ['libomp', 'jpeg-turbo'].map((name) => join(folder, name)),
  );
  return [...named.flatMap((list) => list?.split(delimiter) ?? []), ...usual, ...apart];
}

function usesSystemCertificates() {
  const variables = /** @type {Record<string, unknown>} */ (
    /** @type {unknown} */ (process.config.variables)
  );
  return variables.node_shared_openssl === true && !process.env.NODE_EXTRA_CA_CERTS;
}
