/** The models of a server, by name, and all of them as one. */
import { UserError } from '../../core/errors.ts';
import type { RgbImage } from '../../data/sources/source.ts';
import { Ensemble, type Member } from '../../evaluate/ensemble.ts';
import { matchClasses } from '../../evaluate/class-matching.ts';
import type { Protocol } from '../../evaluate/protocol.ts';
import type { ScalesWanted } from '../../evaluate/scales.ts';
import { RequestError } from '../errors.ts';
import type { ServedModel } from './served-model.ts';

/** What stands for the mean of all models. */
export const ALL = 'all';

/** Who judges images, and how. */
export interface ServedEnsemble {
  /** By name. */
  readonly models: readonly string[];
  /** Each Q that is needed. */
  readonly scales: readonly number[];
  /** For people, in label order. */
  readonly labels: readonly string[];
  /** @returns `[classes]` */
  judge(scaled: readonly RgbImage[], signal: AbortSignal): Promise<Float32Array>;
  /** Resolves once there is use for more images. */
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

  /** @throws RequestError where there is none of that name. */
  find(name: string | undefined): ServedModel {
    const [first] = this.list;
    if (!first) throw new RequestError('not_found', 'This server has no model: it shows runs only.');
    const found = name === undefined ? first : this.list.find((model) => model.name === name);
    if (found) return found;
    const names = this.list.map((model) => model.name).join(', ');
    throw new RequestError('not_found', `There is no model of that name; there are: ${names}.`);
  }

  /** @throws RequestError where there is none of that name, or `all` do not tell the same classes apart. */
  jury(name: string | undefined, protocol: Protocol, wanted: ScalesWanted): ServedEnsemble {
    const models = name === ALL && this.list.length > 0 ? this.list : [this.find(name)];
    const [first, ...others] = models.map((model) => ({ path: model.name, classes: model.facts.classes }));
    const numbers = [undefined, ...others.map((other) => sameClasses(first!, other))];
    const members = models.map(
      (model, i): Member => ({
        classifier: model.classifier,
        scales: model.scales(wanted, protocol),
        numbers: numbers[i],
      }),
    );
    const ensemble = new Ensemble(members, { protocol });
    return {
      models: models.map((model) => model.name),
      scales: ensemble.scales,
      labels: models[0]!.facts.labels,
      judge: async (scaled, signal) => (await ensemble.judge(scaled, signal)).posteriors,
      untilReady: async () => {
        for (const model of models) await model.untilReady();
      },
    };
  }

  close(): void {
    for (const model of this.list) model.close();
  }
}

function sameClasses(...models: Parameters<typeof matchClasses>): Int32Array {
  try {
    return matchClasses(...models);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new RequestError('bad_request', `${error.message}.`, { cause: error });
  }
}
