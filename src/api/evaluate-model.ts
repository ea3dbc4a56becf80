/** Evaluation as a person asks for it: from a data folder and a model file to error rates. */
import { UserError } from '../core/errors.ts';
import { testScaleFor } from '../core/scale.ts';
import { loadCenterCrops } from '../data/evaluation.ts';
import { openImages } from '../data/open.ts';
import type { ImageSource, Split } from '../data/source.ts';
import { CenterClassifier, type Classified, evaluate } from '../evaluate/center.ts';
import type { Model } from '../weights/model-file.ts';
import { type EngineOptions, loadModel } from './load-model.ts';

export interface EvaluateOptions extends EngineOptions {
  /** Folder of labelled images, see `openImages`. */
  readonly data: string;
  /** Model file. */
  readonly model: string;
  /** Default `val`. */
  readonly split?: Split;
  /** Smaller side Q that images are rescaled to (default: what belongs to the training scale, section 4.1). */
  readonly scale?: number;
  /** Images computed at once (default 64). */
  readonly batch?: number;
  /** Images of more pixels are refused before they are decoded (default 100 million). */
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  onProgress?(progress: EvaluationProgress): void;
}

export interface EvaluationProgress {
  readonly done: number;
  readonly total: number;
  /** So far. */
  readonly top1Error: number;
}

export interface EvaluationResult {
  readonly images: number;
  readonly top1Error: number;
  readonly top5Error: number;
  /** Mean soft-max cross-entropy, in nats. */
  readonly loss: number;
  readonly protocol: 'center';
  readonly scales: readonly number[];
  readonly models: readonly string[];
  readonly seconds: number;
}

const BATCH = 64;

/**
 * Error rates of a model on labelled images, by one centre crop an image.
 * @throws UserError when data or model cannot be read, or their classes differ.
 */
export async function evaluateModel(options: EvaluateOptions): Promise<EvaluationResult> {
  const started = performance.now();
  const { split = 'val', batch = BATCH } = options;
  const source = await openImages(options.data, { split });
  const { model, backend, parameters } = await loadModel(options.model, options);
  const scale = options.scale ?? scaleOf(model);
  const classifier = await CenterClassifier.compile(backend, model.network, parameters, batch);
  try {
    const crops = loadCenterCrops(source, {
      mean: model.meanRgb,
      crop: model.network.crop,
      scale,
      batch,
      maxPixels: options.maxPixels,
    });
    const classified = relabel(classifier.classify(crops), classMap(source, model, options.model));
    const result = await evaluate(stoppable(classified, options.signal), ({ images, top1Errors }) =>
      options.onProgress?.({ done: images, total: source.length, top1Error: top1Errors / images }),
    );
    return {
      ...result,
      protocol: 'center',
      scales: [scale],
      models: [options.model],
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    classifier.dispose();
    parameters.dispose();
  }
}

/** The test scale that belongs to a model: Q = S (section 4.1), or the crop where it was never trained. */
export function scaleOf({ trainScale, network }: Model): number {
  return trainScale ? testScaleFor(trainScale) : network.crop;
}

/** For each class of the data its number in the model, by name and not by position. */
function classMap(source: ImageSource, model: Model, path: string): Int32Array {
  const numbers = new Map(model.classes.map((name, number) => [name, number]));
  return Int32Array.from(source.classes, (name) => {
    const number = numbers.get(name);
    if (number !== undefined) return number;
    throw new UserError(
      `${source.location} has images of the class "${name}", which ${path} does not know; ` +
        `its classes are ${preview(model.classes)}`,
    );
  });
}

function preview(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(', ')
    : `${names.slice(0, 10).join(', ')} and ${names.length - 10} more`;
}

async function* relabel(
  classified: AsyncIterable<Classified>,
  numbers: Int32Array,
): AsyncGenerator<Classified> {
  for await (const one of classified) yield { ...one, label: one.label < 0 ? -1 : numbers[one.label]! };
}

async function* stoppable<T>(items: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncGenerator<T> {
  for await (const item of items) {
    signal?.throwIfAborted();
    yield item;
  }
}
