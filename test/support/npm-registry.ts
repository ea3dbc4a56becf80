/**
 * An npm registry on this machine. It serves packed packages and, for what they depend on, the packages in the
 * project's own node_modules, which it packs when npm asks for them.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import tar from 'tar-stream';
import { projectFolder } from '../../src/core/project.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
}

interface Published {
  readonly manifest: Manifest;
  /** The archive. npm asks for it only if it installs the package. */
  readonly archive: () => Promise<Buffer> | Buffer;
}

export class NpmRegistry {
  readonly #packages: Published[] = [];
  /** Names of the packages whose archives were fetched. */
  readonly fetched: string[] = [];
  #server!: Server;

  /** Serves what the project's package-lock.json lists, as far as it is installed here. */
  constructor() {
    for (const [path, entry] of Object.entries(lockedPackages())) {
      const folder = join(projectFolder, path);
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      if (path === '' || entry.link || !entry.version) continue;
      if (existsSync(join(folder, 'package.json'))) {
        this.publish(readManifest(folder), () => packFolder(folder));
      } else {
        // For another platform: npm must know that, and never fetches it.
        this.publish({ ...entry, name, version: entry.version }, () => Buffer.alloc(0));
      }
    }
  }

  publish(manifest: Manifest, archive: Published['archive']): void {
    this.#packages.push({ manifest, archive });
  }

  async start(): Promise<string> {
    this.#server = createServer((request, response) =>
      this.#answer(decodeURIComponent(request.url!), response),
    );
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.#url;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get #url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    const [, name, version] = /^\/((?:@[^/]+\/)?[^/]+)(?:\/-\/(.+)\.tgz)?$/.exec(path) ?? [];
    const found = this.#packages.filter(({ manifest }) => manifest.name === name);
    if (found.length === 0) {
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Not found"}');
      return;
    }
    if (version !== undefined) {
      this.fetched.push(name!);
      response.end(await found.find(({ manifest }) => manifest.version === version)!.archive());
      return;
    }
    const versions = Object.fromEntries(
      found.map(({ manifest }) => [
        manifest.version,
        { ...manifest, dist: { tarball: `${this.#url}/${name}/-/${manifest.version}.tgz` } },
      ]),
    );
    const latest = found[0]!.manifest.version;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ name, 'dist-tags': { latest }, versions }));
  }
}

interface LockEntry {
  readonly version?: string;
  readonly link?: boolean;
}

function lockedPackages(): Record<string, LockEntry> {
  return JSON.parse(readFileSync(join(projectFolder, 'package-lock.json'), 'utf8')).packages;
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

/** The SHA-256 of each file. */
export function hashesBelow(folder: string): ReadonlyMap<string, string> {
  return new Map(filesBelow(folder).map((file) => [relative(folder, file), sha256(readFileSync(file))]));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Packs an installed package without those that are nested in it. */
async function packFolder(folder: string): Promise<Buffer> {
  const archive = tar.pack();
  for (const file of filesBelow(folder)) {
    const name = relative(folder, file);
    if (!name.startsWith('node_modules')) archive.entry({ name: `package/${name}` }, readFileSync(file));
  }
  archive.finalize();
  return gzipSync(await buffer(archive), { level: 1 });
}
