/** The models of a server, by name, and all of them as one ensemble. */
import { resolve } from 'node:path';
import pLimit from 'p-limit';
import type { ColorProfiles, Rounding } from '../../core/image-preparation.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import { matchClasses } from '../../evaluate/inference/class-matching.ts';
import { Ensemble, type Member } from '../../evaluate/inference/ensemble.ts';
import { sharedColorProfiles, sharedTest } from '../../evaluate/inference/shared-preparation.ts';
import {
  type LocalizingNetworks,
  type LocatedClass,
  locateClasses,
  scalesOf,
} from '../../evaluate/localize/dense-boxes.ts';
import type { Protocol } from '../../evaluate/protocol/protocol.ts';
import type { RankedClass } from '../../evaluate/protocol/softmax.ts';
import type { RequestedScales } from '../../evaluate/protocol/test-scales.ts';
import { modelChecksum } from '../../weights/formats/model-files.ts';
import { available, RequestError } from '../request-errors.ts';
import { checked, type NamedModel, type ServedModel } from './served-model.ts';

/** The name for the mean of all models. */
export const ALL = 'all';

/** One model, or several averaged, with the settings of a request. */
export interface ServedEnsemble {
  /** Names of the models. */
  readonly models: readonly string[];
  /** Every Q that is used. */
  readonly scales: readonly number[];
  readonly colorProfiles: ColorProfiles;
  readonly rounding?: Rounding;
  readonly protocol: Protocol;
  /** Display names of the classes, in label order. */
  readonly labels: readonly string[];
  /** Every Q that images are needed at: those of localization models, too. */
  readonly decoded: readonly number[];
  /** The box of each class, if the server has localization models for these models. @param scaled at each of `decoded` */
  readonly locate?: (
    scaled: readonly RgbImage[],
    classes: readonly RankedClass[],
    signal: AbortSignal,
  ) => Promise<LocatedClass[]>;
  /**
   * @param scaled at each of `decoded`
   * @returns `[classes]`
   */
  classify(scaled: readonly RgbImage[], signal: AbortSignal): Promise<Float32Array>;
  /** Resolves once the models need more images. */
  untilReady(): Promise<void>;
}

/**
 * Loads a model of a run.
 * @param taken names that other models have
 * @throws UserError when the file is not a model, or does not fit into memory
 */
export type OpenModel = (run: string, file: string, taken: ReadonlySet<string>) => Promise<NamedModel>;

/** Most models that are loaded while the server runs; then the least recently used one is unloaded. */
const MAX_ADDED = 4;

export class ServedModels {
  readonly #serve: (model: NamedModel) => ServedModel;
  readonly #openModel: OpenModel | undefined;
  readonly #localizers: readonly ServedModel[];
  /** One model is loaded at a time. */
  readonly #limit = pLimit(1);
  #list: readonly ServedModel[];
  /** Models that were added, the least recently requested first. */
  #added: readonly ServedModel[] = [];

  /**
   * @param serve makes a loaded model answer requests
   * @param localizers localization models that add boxes to the classes of models with the same classes and crop
   */
  constructor(
    models: readonly NamedModel[],
    serve: (model: NamedModel) => ServedModel,
    openModel?: OpenModel,
    localizers: readonly NamedModel[] = [],
  ) {
    this.#localizers = localizers.map(serve);
    this.#serve = serve;
    this.#openModel = openModel;
    this.#list = models.map(serve);
  }

  get list(): readonly ServedModel[] {
    return this.#list;
  }

  /**
   * Serves a model of a run, unless it is served already. One whose file has changed is replaced.
   * @param run path of the run
   * @param file path of its model
   * @returns its name in requests
   * @throws RequestError `forbidden` if the server keeps to its models, or `not_available` if the model cannot be loaded
   */
  use(run: string, file: string): Promise<string> {
    return this.#limit(() => available('The model of this run cannot be loaded', () => this.#use(run, file)));
  }

  async #use(run: string, file: string): Promise<string> {
    const path = resolve(file);
    const old = this.#list.find((model) => model.file === path);
    const { sha256 } = await modelChecksum(file);
    if (old?.checksum === sha256) return old.name;
    const others = this.#list.filter((model) => model !== old);
    const model = this.#serve(await this.#open(run, path, new Set(others.map(({ name }) => name))));
    this.#list = old ? this.#list.map((one) => (one === old ? model : one)) : [...this.#list, model];
    // A model that the server started with stays, also in its newer version.
    if (!old || this.#added.includes(old)) {
      this.#added = [...this.#added.filter((one) => one !== old), model];
    }
    old?.close();
    if (this.#added.length > MAX_ADDED) this.#unload(this.#added[0]!);
    return model.name;
  }

  async #open(run: string, file: string, taken: ReadonlySet<string>): Promise<NamedModel> {
    if (!this.#openModel) {
      throw new RequestError('forbidden', 'This server loads no models while it runs.');
    }
    return this.#openModel(run, file, new Set([...taken, ALL]));
  }

  #unload(model: ServedModel): void {
    this.#list = this.#list.filter((one) => one !== model);
    this.#added = this.#added.filter((one) => one !== model);
    model.close();
  }

  /** Images, mirror images and crops that wait for their batch. */
  get waiting(): number {
    return this.list.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  /** @throws RequestError if there is no model of that name. */
  find(name: string | undefined): ServedModel {
    const [first] = this.list;
    if (!first) throw new RequestError('not_found', 'This server has no model; it only shows runs.');
    const found = name === undefined ? first : this.list.find((model) => model.name === name);
    if (found) {
      this.#touch(found);
      return found;
    }
    const names = this.list.map((model) => model.name).join(', ');
    throw new RequestError('not_found', `There is no model of that name; choose one of ${names}.`);
  }

  /** @throws RequestError if there is no model of that name, or the models of `all` have different classes or treat color profiles differently. */
  ensemble(
    name: string | undefined,
    given: Protocol | undefined,
    requested: RequestedScales,
  ): ServedEnsemble {
    const models = name === ALL && this.list.length > 0 ? this.list : [this.find(name)];
    const test = sharedTest(models.map(({ facts }) => facts));
    const protocol = given ?? (requested === undefined && test ? test.protocol : 'dense');
    const [first, ...others] = models.map((model) => ({ path: model.name, classes: model.facts.classes }));
    const numbers = [undefined, ...others.map((other) => checked(() => matchClasses(first!, other)))];
    const members = models.map(
      (model, i): Member => ({
        classifier: model.classifier,
        scales: model.scales(requested, protocol),
        numbers: numbers[i],
      }),
    );
    const ensemble = new Ensemble(members, { protocol });
    const localizing = this.#localizing(models, numbers);
    const boxScales = localizing ? scalesOf(localizing) : [];
    const decoded = [...new Set([...ensemble.scales, ...boxScales])];
    const at = (scaled: readonly RgbImage[], scales: readonly number[]) =>
      scales.map((scale) => scaled[decoded.indexOf(scale)]!);
    return {
      decoded,
      locate:
        localizing &&
        ((scaled, classes, signal) => locateClasses(localizing, at(scaled, boxScales), classes, signal)),
      models: models.map((model) => model.name),
      scales: ensemble.scales,
      protocol,
      rounding: test?.rounding,
      colorProfiles: checked(() =>
        sharedColorProfiles(models.map(({ name: path, facts }) => ({ ...facts, path }))),
      ),
      labels: models[0]!.facts.labels,
      classify: async (scaled, signal) =>
        (await ensemble.classify(at(scaled, ensemble.scales), signal)).posteriors,
      untilReady: async () => {
        for (const model of models) await model.untilReady();
      },
    };
  }

  /** The localization models for some models; undefined if there are none with their classes and crop. */
  #localizing(
    models: readonly ServedModel[],
    numbers: readonly (Int32Array | undefined)[],
  ): LocalizingNetworks | undefined {
    const named = ({ name, facts }: ServedModel) => ({ path: name, classes: facts.classes });
    const [first] = models;
    const fitting = this.#localizers.filter(
      ({ facts }) =>
        isSameSet(facts.classes, first!.facts.classes) &&
        models.every((model) => model.facts.network.crop === facts.network.crop),
    );
    if (fitting.length === 0) return undefined;
    return {
      localizers: fitting.map((model) => ({
        classifier: model.classifier,
        path: model.name,
        scales: model.scales(undefined, 'dense'),
        numbers: matchClasses(named(first!), named(model)),
      })),
      classifiers: models.map(({ classifier, name }, i) => ({ classifier, path: name, numbers: numbers[i] })),
    };
  }

  #touch(model: ServedModel): void {
    if (this.#added.includes(model)) this.#added = [...this.#added.filter((one) => one !== model), model];
  }

  close(): void {
    for (const model of [...this.list, ...this.#localizers]) model.close();
  }
}

function isSameSet(some: readonly string[], others: readonly string[]): boolean {
  const known = new Set(some);
  return some.length === others.length && others.every((name) => known.has(name));
}
