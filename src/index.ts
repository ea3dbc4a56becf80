/**
 * verydeep: the networks of Simonyan & Zisserman's paper, trained, evaluated and used from Node.
 *
 * The functions here are those of the command line: `trainNetwork` is `vgg train`, `evaluateModel` is
 * `vgg evaluate`, `Classifier` is `vgg predict`, `convertModel` is `vgg convert`, `extractFeatures` is
 * `vgg features`, `packImages` is `vgg pack`.
 */
export { Classifier, type ImagePrediction, type Prediction, type PredictOptions } from './api/classifier.ts';
export { type ConvertOptions, type ConvertResult, convertModel } from './api/convert.ts';
export {
  type EvaluateOptions,
  type EvaluationProgress,
  type EvaluationResult,
  evaluateModel,
} from './api/evaluate-model.ts';
export { extractFeatures, type FeatureOptions } from './api/extract-features.ts';
export { type Inspection, inspectWeights } from './api/inspect.ts';
export { type PackOptions, type PackResult, packImages } from './api/pack-images.ts';
export {
  type ResumeOptions,
  resumeTraining,
  type TrainOptions,
  type TrainOutcome,
  trainNetwork,
} from './api/train-network.ts';
export { InterruptedError, UsageError, UserError } from './core/errors.ts';
export type { Layer, ParameterSpec } from './core/layer.ts';
export type { TrainScale } from './core/scale.ts';
export type { Shape, Shape4 } from './core/shape.ts';
export { type OpenOptions, openImages } from './data/sources/open-images.ts';
export type { ImageSource, RgbImage, StoredImage } from './data/sources/source.ts';
export type { Split } from './data/sources/splits.ts';
export type { MemberPosteriors } from './evaluate/ensemble.ts';
export { type ClassErrors, confusionMatrix, measureByClass } from './evaluate/error-rates.ts';
export type { EvaluatedImage } from './evaluate/evaluate-images.ts';
export type { ImageFeatures } from './evaluate/feature-files.ts';
export type { ImageResult, ImageResults } from './evaluate/image-results.ts';
export type { EngineOptions } from './evaluate/load-model.ts';
export { type Protocol, type ProtocolOptions, protocols } from './evaluate/protocol.ts';
export type { RankedClass } from './evaluate/softmax.ts';
export type { Backend, Parameters, Program, TrainingProgram } from './kernels/backend.ts';
export { type BackendName, backendNames } from './kernels/backend-options.ts';
export { createBackend, openBackend } from './kernels/registry.ts';
export { type ConfigurationName, configurationNames, configurations } from './net/configurations.ts';
export { type LayerCost, layerCosts } from './net/cost.ts';
export {
  type Initialization,
  type InitializationMethod,
  initialize,
  type NamedTensors,
} from './net/initialization.ts';
export { buildNetwork, type Network, type NetworkOptions, parameterCount } from './net/network.ts';
export type { Metrics, TrainingMetrics, ValidationMetrics } from './train/metrics.ts';
export type { PartialRecipe, Recipe } from './train/recipe.ts';
export { readRecipeFile } from './train/recipe-file.ts';
export { resolveRecipe } from './train/resolve-recipe.ts';
export type { TrainingStart, TrainListener } from './train/session.ts';
export type { TrainingProgress } from './train/trainer-hooks.ts';
export type { Model } from './weights/model/model.ts';
export { readModel } from './weights/model/read-model.ts';
export { writeModel } from './weights/model/write-model.ts';
