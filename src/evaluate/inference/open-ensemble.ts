/** Opens model files as ensembles that classify images. */
import { UsageError } from '../../core/errors.ts';
import type { PublishedTest } from '../../core/image-preparation.ts';
import { flipsByDefault, type ProtocolOptions, type ResolvedProtocol } from '../protocol/protocol.ts';
import { resolveScales } from '../protocol/test-scales.ts';
import { matchClasses, type NamedClasses } from './class-matching.ts';
import { Ensemble, type Member } from './ensemble.ts';
import { type BatchingLimits, ImageClassifier } from './image-classifier.ts';
import { type EngineOptions, type LoadedModel, loadModels } from './load-model.ts';
import { sharedColorProfiles, sharedTest } from './shared-preparation.ts';

/** Loaded models whose posteriors are averaged. */
export class LoadedEnsemble {
  readonly models: readonly LoadedModel[];
  readonly #classifiers: readonly ImageClassifier[];
  /** Each model's numbers of the first model's classes; undefined for the first model. */
  readonly #numbers: readonly (Int32Array | undefined)[];

  private constructor(models: readonly LoadedModel[], limits: BatchingLimits) {
    this.models = models;
    const [first, ...others] = models.map(
      ({ path, facts: { classes } }): NamedClasses => ({ path, classes }),
    );
    this.#numbers = [undefined, ...others.map((other) => matchClasses(first!, other))];
    this.#classifiers = models.map(
      ({ backend, parameters, facts }) => new ImageClassifier({ ...facts, backend, parameters, ...limits }),
    );
  }

  /**
   * @param paths model files, at least one
   * @throws UserError when a file is not a model, or the models have different classes.
   */
  static async open(
    paths: readonly string[],
    engine: EngineOptions,
    limits: BatchingLimits = {},
  ): Promise<LoadedEnsemble> {
    if (paths.length === 0) throw new UsageError('no model was given; name at least one model file');
    const models = await loadModels(paths, engine);
    try {
      return new LoadedEnsemble(models, limits);
    } catch (error) {
      for (const { parameters } of models) parameters.dispose();
      throw error;
    }
  }

  /** The first model: results use its class order and labels. */
  get first(): LoadedModel {
    return this.models[0]!;
  }

  /** The models' networks, and their numbers of the first model's classes. */
  get networks(): readonly { classifier: ImageClassifier; path: string; numbers?: Int32Array }[] {
    return this.#classifiers.map((classifier, i) => ({
      classifier,
      path: this.models[i]!.path,
      numbers: this.#numbers[i],
    }));
  }

  /**
   * @throws UserError when the default scales are unknown, a scale is too small for a model, or the models treat color
   *   profiles differently.
   */
  resolve({ scales, ...options }: ProtocolOptions): ResolvedProtocol {
    const test = this.#publishedTest;
    const { protocol = scales === undefined && test ? test.protocol : 'dense' } = options;
    const { flip = flipsByDefault(protocol) } = options;
    return {
      protocol,
      flip,
      scales: this.models.map(({ facts, path }) => resolveScales(facts, scales, protocol, path)),
      colorProfiles: sharedColorProfiles(this.models.map(({ path, facts }) => ({ ...facts, path }))),
      rounding: test?.rounding ?? 'nearest',
    };
  }

  /** Whether the models are tested as their publisher does, because the options do not say otherwise. */
  usesPublishedTest({ protocol, scales }: ProtocolOptions): boolean {
    return protocol === undefined && scales === undefined && this.#publishedTest !== undefined;
  }

  get #publishedTest(): PublishedTest | undefined {
    return sharedTest(this.models.map(({ facts }) => facts));
  }

  ensemble({ protocol, flip, scales }: ResolvedProtocol): Ensemble {
    const members = this.#classifiers.map(
      (classifier, i): Member => ({ classifier, scales: scales[i]!, numbers: this.#numbers[i] }),
    );
    return new Ensemble(members, { protocol, flip });
  }

  /** Frees programs and weights. */
  close(): void {
    for (const classifier of this.#classifiers) classifier.close();
    for (const { parameters } of this.models) parameters.dispose();
  }
}
