/** The models of a server, by name, and all of them as one ensemble. */
import type { ColorProfiles, Rounding } from '../../core/image-preparation.ts';
import type { RgbImage } from '../../data/sources/image-source.ts';
import { matchClasses } from '../../evaluate/inference/class-matching.ts';
import { Ensemble, type Member } from '../../evaluate/inference/ensemble.ts';
import { sharedColorProfiles, sharedTest } from '../../evaluate/inference/shared-preparation.ts';
import type { Protocol } from '../../evaluate/protocol/protocol.ts';
import type { RequestedScales } from '../../evaluate/protocol/test-scales.ts';
import { RequestError } from '../request-errors.ts';
import { checked, type ServedModel } from './served-model.ts';

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
  /** @returns `[classes]` */
  classify(scaled: readonly RgbImage[], signal: AbortSignal): Promise<Float32Array>;
  /** Resolves once the models need more images. */
  untilReady(): Promise<void>;
}

export class ServedModels {
  readonly list: readonly ServedModel[];

  constructor(list: readonly ServedModel[]) {
    this.list = list;
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
    if (found) return found;
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
    return {
      models: models.map((model) => model.name),
      scales: ensemble.scales,
      protocol,
      rounding: test?.rounding,
      colorProfiles: checked(() =>
        sharedColorProfiles(models.map(({ name: path, facts }) => ({ ...facts, path }))),
      ),
      labels: models[0]!.facts.labels,
      classify: async (scaled, signal) => (await ensemble.classify(scaled, signal)).posteriors,
      untilReady: async () => {
        for (const model of models) await model.untilReady();
      },
    };
  }

  close(): void {
    for (const model of this.list) model.close();
  }
}
