/** From model files to an ensemble that judges images. */
import { UsageError } from '../core/errors.ts';
import { Ensemble, type Member } from '../evaluate/ensemble.ts';
import { matchClasses, type NamedClasses } from '../evaluate/fusion.ts';
import { type BatchingLimits, ImageClassifier } from '../evaluate/image-classifier.ts';
import { flipsByDefault, type Protocol } from '../evaluate/protocol.ts';
import { checkScale, scalesFor } from '../evaluate/scales.ts';
import { type EngineOptions, type LoadedModel, loadModels } from './load-model.ts';

/** How images are looked at (paper, 3.2). */
export interface ProtocolOptions {
  /** Default `dense`. */
  readonly protocol?: Protocol;
  /**
   * Smaller sides Q that images are rescaled to, posteriors being averaged over them; `auto`: the three that
   * belong to the scales of training (4.2). Default: the one that does (4.1).
   */
  readonly scales?: readonly number[] | 'auto';
  /** Whether mirror images count too (default: yes, except with `center`). */
  readonly flip?: boolean;
}

/** What `ProtocolOptions` come to for given models. */
export interface Looking {
  readonly protocol: Protocol;
  readonly flip: boolean;
  /** Of each model. */
  readonly scales: readonly (readonly number[])[];
}

/** The models that a person named, ready to run. */
export class OpenModels {
  readonly models: readonly LoadedModel[];
  readonly #classifiers: readonly ImageClassifier[];
  /** For each model the numbers of the first one's classes; undefined for the first itself. */
  readonly #numbers: readonly (Int32Array | undefined)[];

  private constructor(models: readonly LoadedModel[], limits: BatchingLimits) {
    this.models = models;
    const [first, ...others] = models;
    this.#numbers = [undefined, ...others.map((other) => matchClasses(named(first!), named(other)))];
    this.#classifiers = models.map(
      ({ backend, parameters, facts: { network, meanRgb } }) =>
        new ImageClassifier({ backend, network, parameters, meanRgb, ...limits }),
    );
  }

  /**
   * @param paths model files; several are averaged
   * @throws UserError when a file is no model, or their classes differ.
   */
  static async open(
    paths: readonly string[],
    engine: EngineOptions,
    limits: BatchingLimits = {},
  ): Promise<OpenModels> {
    if (paths.length === 0) throw new UsageError('no model was named');
    const models = await loadModels(paths, engine);
    try {
      return new OpenModels(models, limits);
    } catch (error) {
      for (const { parameters } of models) parameters.dispose();
      throw error;
    }
  }

  /** The first model: its classes and labels are everyone's. */
  get first(): LoadedModel {
    return this.models[0]!;
  }

  get named(): NamedClasses {
    return named(this.first);
  }

  /** @throws UserError when scales are not known or too small for a model. */
  looking({ protocol = 'dense', scales: wanted, flip = flipsByDefault(protocol) }: ProtocolOptions): Looking {
    const scales = this.models.map(({ facts, path }) => {
      const own = scalesFor(facts, wanted, path);
      for (const scale of own) checkScale(facts.network, protocol, scale, path);
      return own;
    });
    return { protocol, flip, scales };
  }

  ensemble({ scales, ...looking }: Looking): Ensemble {
    const members = this.#classifiers.map(
      (classifier, i): Member => ({ classifier, scales: scales[i]!, numbers: this.#numbers[i] }),
    );
    return new Ensemble(members, looking);
  }

  /** Frees programs and weights. */
  close(): void {
    for (const classifier of this.#classifiers) classifier.close();
    for (const { parameters } of this.models) parameters.dispose();
  }
}

function named({ path, facts: { classes } }: LoadedModel): NamedClasses {
  return { path, classes };
}
