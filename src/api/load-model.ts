import type { Backend, Parameters } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/fill-parameters.ts';
import { type BackendName, createBackend } from '../kernels/registry.ts';
import { type ModelFacts, readModel } from '../weights/model-file.ts';

export interface EngineOptions {
  /** What does the arithmetic (default `onednn`). */
  readonly backend?: BackendName;
  /** Default: all cores. */
  readonly threads?: number;
}

/** A model whose weights a backend has. */
export interface LoadedModel {
  readonly path: string;
  readonly facts: ModelFacts;
  readonly backend: Backend;
  readonly parameters: Parameters;
}

/**
 * Reads models and gives their weights to one backend, so that they take turns instead of fighting for the cores.
 * @throws UserError when a file is no model, or the backend is missing.
 */
export async function loadModels(
  paths: readonly string[],
  { backend: name, threads }: EngineOptions = {},
): Promise<LoadedModel[]> {
  const backend = createBackend(name, threads === undefined ? {} : { threads });
  const loaded: LoadedModel[] = [];
  try {
    // One after the other: a model is in memory twice while it is handed over.
    for (const path of paths) loaded.push(await load(path, backend));
  } catch (error) {
    for (const { parameters } of loaded) parameters.dispose();
    throw error;
  }
  return loaded;
}

async function load(path: string, backend: Backend): Promise<LoadedModel> {
  const { tensors, ...facts } = await readModel(path);
  const parameters = backend.createParameters(facts.network.parameters, { training: false });
  await fillParameters(parameters, tensors);
  return { path, facts, backend, parameters };
}
