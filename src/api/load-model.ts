import type { Backend, Parameters } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/fill-parameters.ts';
import { type BackendName, createBackend } from '../kernels/registry.ts';
import { type Model, readModel } from '../weights/model-file.ts';

export interface EngineOptions {
  /** What does the arithmetic (default `onednn`). */
  readonly backend?: BackendName;
  /** Default: all cores. */
  readonly threads?: number;
}

/** A model whose weights a backend has. */
export interface LoadedModel {
  readonly path: string;
  readonly model: Model;
  readonly backend: Backend;
  readonly parameters: Parameters;
}

/**
 * Reads a model and gives its weights to a backend.
 * @throws UserError when the file is no model, or the backend is missing.
 */
export async function loadModel(
  path: string,
  { backend: name, threads }: EngineOptions = {},
): Promise<LoadedModel> {
  const model = await readModel(path);
  const backend = createBackend(name, threads === undefined ? {} : { threads });
  const parameters = backend.createParameters(model.network.parameters, { training: false });
  await fillParameters(parameters, model.tensors);
  return { path, model, backend, parameters };
}
