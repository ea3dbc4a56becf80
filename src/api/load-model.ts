import type { Backend, Parameters } from '../kernels/backend.ts';
import type { BackendName, Precision } from '../kernels/backend-options.ts';
import { openBackend } from '../kernels/registry.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import { readInto } from './read-into.ts';

export interface EngineOptions {
  /** What does the arithmetic (default `native`). */
  readonly backend?: BackendName;
  /** Default: all cores. */
  readonly threads?: number;
  /** What is multiplied (default `fp32`); `bf16` (processor) and `f16` (GPU) are faster where they can be had, and less exact. */
  readonly precision?: Precision;
  /** What model files of other formats do not say themselves: preprocessing, class names, … */
  readonly read?: ReadModelOptions;
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
  { backend: name, threads, precision, read }: EngineOptions = {},
): Promise<LoadedModel[]> {
  const backend = await openBackend(name, {
    threads,
    precision,
  });
  const loaded: LoadedModel[] = [];
  try {
    for (const path of paths) loaded.push({ path, backend, ...(await readInto(backend, path, read)) });
  } catch (error) {
    for (const { parameters } of loaded) parameters.dispose();
    throw error;
  }
  return loaded;
}
