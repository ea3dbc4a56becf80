import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { basename, dirname, extname, join, resolve } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { messageOf, systemErrorCode, UsageError, UserError } from '../core/errors.ts';
import { isLoopback } from '../core/http.ts';
import { projectFolder } from '../core/project.ts';
import {
  type EngineOptions,
  type LoadedModel,
  loadModel,
  loadModels,
} from '../evaluate/inference/load-model.ts';
import { checkLocalizer } from '../evaluate/localize/open-localizers.ts';
import type { Backend } from '../kernels/backend.ts';
import { openBackend } from '../kernels/registry.ts';
import { runFolder } from '../runs/run-folder.ts';
import type { NamedModel } from '../serve/models/served-model.ts';
import { ALL, type OpenModel } from '../serve/models/served-models.ts';
import { buildServer, type ServerOptions } from '../serve/server.ts';
import { parseModelName } from '../weights/download/model-name.ts';
import { modelChecksum } from '../weights/formats/model-files.ts';
import { runPages } from './run-pages.ts';

export interface ServeOptions
  extends EngineOptions,
    Omit<ServerOptions, 'models' | 'localizers' | 'pages' | 'page' | 'openModel'> {
  /** Model files; if there are none, the server shows runs only. */
  readonly models: readonly string[];
  /** Localization models, which add boxes to predictions (default: none). */
  readonly localizers?: readonly string[];
  /** Port (default 8080); 0 chooses any free port. */
  readonly port?: number;
  /** Folder of the built page (default: dist/web of this project). */
  readonly page?: string;
}

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  /** The models' names in requests. */
  readonly models: readonly string[];
  /**
   * Rejects new requests, finishes the accepted ones, and frees everything.
   * @param milliseconds time after which the remaining connections are cut
   */
  close(milliseconds: number): Promise<void>;
}

/**
 * Serves models and runs over HTTP.
 * @throws UserError when a file is not a model or the port is in use; UsageError for an address other than loopback
 *   without a token.
 * @example
 * const server = await serveModels({ models: ['best.safetensors'], port: 0, log: console.error });
 * console.log(server.url);
 * await server.close(30_000);
 */
export async function serveModels(options: ServeOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8080, token } = options;
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `--host ${host} can be reached from other machines; set a token with --token-file, or leave out --host`,
    );
  }
  const loaded = options.models.length > 0 ? await loadModels(options.models, options) : [];
  const localizers: LoadedModel[] = [];
  const free = () => {
    for (const { parameters } of [...loaded, ...localizers]) parameters.dispose();
  };
  try {
    for (const path of options.localizers ?? []) localizers.push(await loadLocalizer(path, loaded, options));
    const models = await nameModels(loaded);
    const app = await buildServer({
      ...options,
      host,
      models,
      localizers: await nameModels(localizers),
      openModel: openModelWith(options, loaded[0]?.backend),
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

/** @throws UserError for a model that does not predict boxes, or none of the models has its classes and crop. */
async function loadLocalizer(
  path: string,
  models: readonly LoadedModel[],
  { colorProfiles }: ServeOptions,
): Promise<LoadedModel> {
  const [first] = models;
  if (!first)
    throw new UsageError(`--localizer ${path} adds boxes to classes; name a classification model, too`);
  const model = await loadModel(first.backend, path, { colorProfiles, allowBoxes: true });
  try {
    checkLocalizer(model, first);
    return model;
  } catch (error) {
    model.parameters.dispose();
    throw error;
  }
}

/** Loads models of runs into the backend of the others. */
function openModelWith(options: ServeOptions, given: Backend | undefined): OpenModel {
  const { backend: name, threads, precision, gpus, localRank, colorProfiles } = options;
  let backend: Promise<Backend> | Backend | undefined = given;
  return async (run, file, taken) => {
    backend ??= openBackend(name, { threads, precision, gpus, localRank });
    const { path, ...model } = await loadModel(await backend, file, { colorProfiles });
    return {
      ...model,
      name: freeName(nameOf(path), new Set(taken)),
      checksum: (await modelChecksum(path)).sha256,
      run,
      file,
      dispose: () => model.parameters.dispose(),
    };
  };
}

async function nameModels(loaded: readonly LoadedModel[]): Promise<NamedModel[]> {
  const taken = new Set([ALL]);
  const named: NamedModel[] = [];
  for (const { path, ...model } of loaded) {
    const name = freeName(nameOf(path), taken);
    named.push({ ...model, name, checksum: (await modelChecksum(path)).sha256, ...originOf(path) });
  }
  return named;
}

/** The name of the run if the file is its best model, otherwise the file's or the repository's name. */
function nameOf(path: string): string {
  const parsed = parseModelName(path);
  if (parsed?.kind === 'hub') return basename(parsed.repository);
  const name = basename(path, extname(path));
  const folder = dirname(resolve(path));
  if (!existsSync(join(folder, 'recipe.yaml'))) return name;
  return name === 'best' ? basename(folder) : `${basename(folder)}-${name}`;
}

/** Where a model of a run is; nothing for other files. */
function originOf(path: string): Pick<NamedModel, 'run' | 'file'> {
  const run = dirname(resolve(path));
  return existsSync(runFolder(run).recipeFile) ? { run, file: resolve(path) } : {};
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
    const message = listenMessage(error, host, port);
    throw message === undefined ? error : new UserError(message, { cause: error });
  }
}

function listenMessage(error: unknown, host: string, port: number): string | undefined {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return `port ${port} is in use; choose another with --port (0: any free port)`;
    case 'EACCES':
      return `you may not use port ${port}; choose one from 1024 up with --port`;
    case 'ENOTFOUND':
    case 'EADDRNOTAVAIL':
      return `--host ${host} is not an address of this machine (${messageOf(error)}); choose another or leave it out`;
    default:
      return undefined;
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
