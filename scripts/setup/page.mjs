import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.mjs';
import { buildFolder, logFile, projectFolder } from './project.mjs';

const vite = join(projectFolder, 'node_modules/vite/bin/vite.js');
const page = join(projectFolder, 'dist/web/index.html');
const fingerprintFile = join(buildFolder, 'page-made-of.txt');

/** Builds the page of `vgg serve` into dist/web if its sources or packages changed. */
export async function buildPage() {
  const fingerprint = currentFingerprint();
  if (existsSync(page) && readText(fingerprintFile) === fingerprint) return 'up to date';
  rmSync(logFile('page'), { force: true });
  await run([process.execPath, vite, 'build', join(projectFolder, 'web'), '--logLevel', 'warn'], {
    log: logFile('page'),
    failure: 'The page could not be built',
  });
  writeFileSync(fingerprintFile, fingerprint);
  return undefined;
}

/** A hash of what the built page depends on: its files, and the sources that run networks in the browser. */
function currentFingerprint() {
  const hash = createHash('sha256');
  const sources = ['web', 'src'].flatMap((folder) =>
    readdirSync(join(projectFolder, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  for (const file of [...sources.sort(), join(projectFolder, 'package-lock.json')]) {
    hash.update(`${file}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

/** @param {string} file */
function readText(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}
