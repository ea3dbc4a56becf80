/**
 * verydeep: training, evaluating and using the networks of Simonyan & Zisserman's paper from Node.
 *
 * The functions are those of the command line: `trainNetwork` is `vgg train`, `evaluateModel` is `vgg evaluate`,
 * `Classifier` is `vgg predict`, `convertModel` is `vgg convert`, `extractFeatures` is `vgg features`, `packImages` is
 * `vgg pack`.
 */
export { Classifier, type ImagePrediction, type Prediction, type PredictOptions } from './api/classifier.ts';
export {
  type ConvertOptions,
  type ConvertResult,
  type ConvertStage,
  convertModel,
  type FileFacts,
  type Parity,
} from './api/convert.ts';
export {
  type EvaluatedImage,
  type EvaluateOptions,
  type EvaluationProgress,
  type EvaluationResult,
  evaluateModel,
} from './api/evaluate-model.ts';
export { extractFeatures, type FeatureOptions, type ImageFeatures } from './api/features.ts';
export { type InspectedTensor, type Inspection, inspectWeights } from './api/inspect.ts';
export type { EngineOptions } from './api/load-model.ts';
export type { ProtocolOptions } from './api/open-ensemble.ts';
export { type PackedSplit, type PackOptions, type PackResult, packImages } from './api/pack-images.ts';
export {
  type ResumeOptions,
  type RunOptions,
  resumeTraining,
  type TrainOptions,
  type TrainOutcome,
  trainNetwork,
} from './api/train-network.ts';
export type { Communicator, ExchangeType } from './comm/communicator.ts';
export { InterruptedError, UsageError, UserError } from './core/errors.ts';
export type {
  ConvolutionLayer,
  DropoutLayer,
  Layer,
  LrnLayer,
  MaxPoolLayer,
  ParameterSpec,
  PoolingRounding,
  ReluLayer,
} from './core/layer.ts';
export type { TrainScale } from './core/scale.ts';
export type { Rgb, Shape, Shape4 } from './core/shape.ts';
export { type OpenOptions, openImages } from './data/sources/open-images.ts';
export type { ImageSource, RgbImage, StoredImage } from './data/sources/source.ts';
export type { Split } from './data/sources/splits.ts';
export type { SurveyProgress } from './data/training/survey.ts';
export type { Part } from './evaluate/ensemble.ts';
export type { PositionPooling } from './evaluate/feature-layers.ts';
export { type ClassErrors, confusionMatrix, measureByClass } from './evaluate/metrics.ts';
export type { Outcome, Outcomes } from './evaluate/outcomes.ts';
export { type Look, type Protocol, protocols } from './evaluate/protocol.ts';
export type { RankedClass } from './evaluate/softmax.ts';
export type {
  Backend,
  CompileOptions,
  CompileTrainingOptions,
  LabelledInput,
  LossOutcome,
  MemoryPlan,
  ParameterField,
  Parameters,
  PlanMemoryOptions,
  Program,
  SgdStep,
  TrainingInput,
  TrainingProgram,
} from './kernels/backend.ts';
export {
  type BackendName,
  type BackendOptions,
  backendNames,
  type KernelChoice,
  type Precision,
} from './kernels/backend-options.ts';
export type { Instruments, StageClock } from './kernels/instruments.ts';
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
export type { ReceptiveField } from './net/receptive-field.ts';
export type { Metrics, StopReason, TrainingMetrics, ValidationMetrics } from './train/metrics.ts';
export { type PartialRecipe, type Recipe, type RecipeKeyFacts, recipeKeys } from './train/recipe.ts';
export { readRecipeFile } from './train/recipe-file.ts';
export { resolveRecipe } from './train/resolve-recipe.ts';
export type { TrainingStart, TrainListener } from './train/session.ts';
export type { TrainingProgress } from './train/trainer-hooks.ts';
export type { TrainingSetListener } from './train/training-set.ts';
export type { WriteOptions, WriteReport } from './weights/export/write-weights.ts';
export type { DeferredTensor, NamedTensor, TensorToWrite } from './weights/formats/safetensors/pieces.ts';
export type { ImportReport } from './weights/import/import-model.ts';
export type { PlacesFor } from './weights/import/options.ts';
export type { ChannelOrder } from './weights/import/preprocessing.ts';
export type { ModelFacts } from './weights/model/metadata.ts';
export { type Model, readModel, writeModel } from './weights/model/model-file.ts';
export type { OnProgress, ReadModelOptions } from './weights/model/read-model.ts';
