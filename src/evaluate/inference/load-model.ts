/** Reads model files into the memory of a backend. */
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { Backend, Parameters } from '../../kernels/backend.ts';
import type { BackendName, BackendOptions, Precision } from '../../kernels/backend-options.ts';
import { moveIntoParameters } from '../../kernels/canonical-parameters.ts';
import { openBackend } from '../../kernels/registry.ts';
import type { Network } from '../../net/network.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';
import { type ReadModelOptions, readModel } from '../../weights/model/read-model.ts';

/**
 * Where and how a model runs.
 * @example
 * const classifier = await Classifier.open('vgg-d.safetensors', { backend: 'webgpu', precision: 'f16' });
 */
export interface EngineOptions {
  /** Compute backend: `native` (CPU; the default), `wasm` (CPU, slower), `webgpu` (GPU) or `reference` (slow, for tests). */
  readonly backend?: BackendName;
  /** CPU threads (default: one for each core). */
  readonly threads?: number;
  /**
   * Number format of the multiplications: `fp32` (default), `bf16` (CPU, inference only) or `f16` (GPU). The short
   * formats are faster and less exact; backends without the format refuse it.
   */
  readonly precision?: Precision;
  /**
   * GPUs of the backend `webgpu`, which share the batches: `all`, a number of GPUs (`4`), their numbers (`0,2`, or
   * `device=1` for one), or part of a name (default: the fastest one).
   */
  readonly gpus?: string;
  /** This process among those on this machine that share its GPUs (default: it is alone). */
  readonly localRank?: BackendOptions['localRank'];
  /** Facts that other formats may lack, such as preprocessing and class names (default: those in the file). */
  readonly read?: ReadModelOptions;
  /** What happens to embedded color profiles of images (default: as in the model's training). */
  readonly colorProfiles?: ColorProfiles;
}

/** A model whose weights are in a backend's memory. */
export interface LoadedModel {
  readonly path: string;
  readonly facts: ModelFacts;
  readonly backend: Backend;
  readonly parameters: Parameters;
}

/**
 * Loads models into one backend, so that they take turns instead of competing for the cores.
 * @throws UserError when a file is not a model, or the backend is missing.
 */
export async function loadModels(
  paths: readonly string[],
  { backend: name, threads, precision, gpus, localRank, read, colorProfiles }: EngineOptions = {},
): Promise<LoadedModel[]> {
  const backend = await openBackend(name, { threads, precision, gpus, localRank });
  const loaded: LoadedModel[] = [];
  try {
    for (const path of paths) loaded.push(await loadModel(backend, path, { ...read, colorProfiles }));
  } catch (error) {
    for (const { parameters } of loaded) parameters.dispose();
    throw error;
  }
  return loaded;
}

/**
 * Reads a model's weights directly into the backend's memory where the process can address it: large models do not
 * fit into memory twice.
 * @param specsFor which of the network's parameters to keep (default: all)
 * @throws UserError as `readModel` does, and whatever `specsFor` throws.
 */
export async function loadModel(
  backend: Backend,
  path: string,
  { colorProfiles, ...options }: ReadModelOptions & Pick<EngineOptions, 'colorProfiles'> = {},
  specsFor: (network: Network) => Parameters['specs'] = (network) => network.parameters,
): Promise<LoadedModel> {
  let parameters: Parameters | undefined;
  try {
    const { tensors, ...facts } = await readModel(path, {
      ...options,
      placesFor: (network) => {
        const specs = specsFor(network);
        const names = new Set(specs.map(({ name }) => name));
        const made = backend.createParameters(specs, { training: false });
        parameters = made;
        return (name) => (names.has(name) ? made.place(name) : undefined);
      },
    });
    await moveIntoParameters(parameters!, new Map(tensors));
    return {
      path,
      facts: { ...facts, colorProfiles: colorProfiles ?? facts.colorProfiles },
      backend,
      parameters: parameters!,
    };
  } catch (error) {
    parameters?.dispose();
    throw error;
  }
}
