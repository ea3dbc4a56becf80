/** Opens localization models beside the classification models whose classes they locate. */
import { UserError } from '../../core/errors.ts';
import { matchClasses } from '../inference/class-matching.ts';
import { ImageClassifier } from '../inference/image-classifier.ts';
import { type EngineOptions, type LoadedModel, loadModel } from '../inference/load-model.ts';
import { resolveScales } from '../protocol/test-scales.ts';
import type { LocalizingNetworks } from './dense-boxes.ts';

export interface OpenLocalizers extends LocalizingNetworks {
  /** Frees programs and weights of the localization models. */
  close(): void;
}

/**
 * @param paths localization models, which run at their training scale
 * @param first the classification model whose class order results have
 * @param classifiers of all classification models
 * @throws UserError when a file does not predict boxes, or has other classes or another crop
 */
export async function openLocalizers(
  paths: readonly string[],
  first: LoadedModel,
  classifiers: LocalizingNetworks['classifiers'],
  { colorProfiles }: Pick<EngineOptions, 'colorProfiles'> = {},
): Promise<OpenLocalizers> {
  const loaded: LoadedModel[] = [];
  const networks: ImageClassifier[] = [];
  const close = () => {
    for (const network of networks) network.close();
    for (const { parameters } of loaded) parameters.dispose();
  };
  try {
    const localizers: LocalizingNetworks['localizers'][number][] = [];
    for (const path of paths) {
      const model = await loadModel(first.backend, path, { colorProfiles, allowBoxes: true });
      loaded.push(model);
      checkLocalizer(model, first);
      const { facts, backend, parameters } = model;
      const classifier = new ImageClassifier({ ...facts, backend, parameters });
      networks.push(classifier);
      const scales = resolveScales(facts, undefined, 'dense', path);
      localizers.push({ classifier, path, scales, numbers: matchClasses(named(first), named(model)) });
    }
    return { localizers, classifiers, close };
  } catch (error) {
    close();
    throw error;
  }
}

function named({ path, facts }: LoadedModel) {
  return { path, classes: facts.classes };
}

/** @throws UserError for a model that does not predict boxes, or has other classes or another crop than a classifier */
export function checkLocalizer(model: LoadedModel, first: LoadedModel): void {
  const { path, facts } = model;
  const { network } = facts;
  if (!network.boxes) {
    throw new UserError(`${path} predicts classes, not boxes; name a localization model with --localizer`);
  }
  matchClasses(named(first), named(model));
  if (network.crop === first.facts.network.crop) return;
  throw new UserError(
    `${path} has a crop of ${network.crop}, but ${first.path} one of ${first.facts.network.crop}, so the scores of one cannot rate the boxes of the other; use models of the same crop`,
  );
}
