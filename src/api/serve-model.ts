/** Models and runs served over HTTP. */
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { messageOf, systemErrorCode, UsageError, UserError } from '../core/errors.ts';
import { projectFolder } from '../core/project.ts';
import type { ModelParts } from '../serve/models/served-model.ts';
import { isLoopback } from '../serve/security.ts';
import { buildServer, type ServerOptions } from '../serve/server.ts';
import { sha256OfFile } from './checksum.ts';
import { type EngineOptions, type LoadedModel, loadModels } from './load-model.ts';
import { runPages } from './serve-run-pages.ts';

export interface ServeOptions
  extends EngineOptions,
    Pick<
      ServerOptions,
      | 'runs'
      | 'host'
      | 'token'
      | 'weights'
      | 'demoData'
      | 'cors'
      | 'limits'
      | 'queue'
      | 'connections'
      | 'timeouts'
      | 'batching'
      | 'log'
    > {
  /** Model files; none: runs only. */
  readonly models: readonly string[];
  /** Default 8080; 0: any that is free. */
  readonly port?: number;
  /** Folder of the built page. */
  readonly page?: string;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** By the names that requests know. */
  readonly models: readonly string[];
  /**
   * Takes no more requests, finishes those that were accepted, and frees everything.
   * @param milliseconds after which connections are cut off all the same
   */
  close(milliseconds: number): Promise<void>;
}

/**
 * Opens models and listens.
 * @throws UserError when a file is no model or the port is taken; UsageError for another address than loopback
 *   without a token.
 */
export async function serveModels(options: ServeOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8080, token } = options;
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `--host ${host} can be reached from other machines; give a token with --token-file, or leave --host out`,
    );
  }
  const loaded = options.models.length > 0 ? await loadModels(options.models, options) : [];
  const free = () => {
    for (const { parameters } of loaded) parameters.dispose();
  };
  try {
    const models = await nameModels(loaded);
    const app = await buildServer({
      ...options,
      host,
      models,
      pages: runPages(options.threads),
      page: options.page ?? join(projectFolder, 'dist', 'web'),
    });
    await listen(app, host, port);
    return {
      url: urlOf(app, host),
      models: models.map(({ name }) => name),
      close: async (milliseconds) => {
        await drain(app, milliseconds);
        free();
      },
    };
  } catch (error) {
    free();
    throw error;
  }
}

async function nameModels(loaded: readonly LoadedModel[]): Promise<ModelParts[]> {
  const taken = new Set(['all']);
  const named: ModelParts[] = [];
  for (const model of loaded) {
    const name = freeName(nameOf(model.path), taken);
    named.push({ ...model, name, checksum: await sha256OfFile(model.path) });
  }
  return named;
}

/** Of a run's model, the run's name; else the file's. */
function nameOf(path: string): string {
  const name = basename(path, extname(path));
  const folder = dirname(resolve(path));
  if (!existsSync(join(folder, 'recipe.yaml'))) return name;
  return name === 'best' ? basename(folder) : `${basename(folder)}-${name}`;
}

function freeName(wanted: string, taken: Set<string>): string {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}-${number}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

async function listen(app: FastifyInstance, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    switch (systemErrorCode(error)) {
      case 'EADDRINUSE':
        throw new UserError(`port ${port} is in use; choose another with --port (0: any that is free)`, {
          cause: error,
        });
      case 'EACCES':
        throw new UserError(`port ${port} is not allowed for you; choose one from 1024 up with --port`, {
          cause: error,
        });
      case 'ENOTFOUND':
      case 'EADDRNOTAVAIL':
        throw new UserError(`--host ${host} is no address of this machine (${messageOf(error)})`, {
          cause: error,
        });
      default:
        throw error;
    }
  }
}

function urlOf(app: FastifyInstance, host: string): string {
  const { port } = app.server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function drain(app: FastifyInstance, milliseconds: number): Promise<void> {
  const limit = setTimeout(() => app.server.closeAllConnections(), milliseconds);
  try {
    await app.close();
  } finally {
    clearTimeout(limit);
  }
}
