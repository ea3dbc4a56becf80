/**
 * verydeep: training, evaluating and using the networks of Simonyan & Zisserman's paper from Node.
 *
 * The functions are those of the command line: `trainNetwork` is `vgg train`, `evaluateModel` is `vgg evaluate`,
 * `Classifier` is `vgg predict`, `convertModel` is `vgg convert`, `extractFeatures` is `vgg features`, `packImages` is
 * `vgg pack`, `transferFeatures` is `vgg transfer`.
 */
export { type ChosenRecipe, chooseRecipe } from './api/choose-recipe.ts';
export { Classifier, type ImagePrediction, type Prediction, type PredictOptions } from './api/classifier.ts';
export {
  type ConvertOptions,
  type ConvertResult,
  type ConvertStage,
  convertModel,
  type FileFacts,
  type Parity,
} from './api/convert-weights.ts';
export {
  evaluateLocalization,
  type LocalizationOptions,
  type LocalizationResult,
} from './api/evaluate-localization.ts';
export { type EvaluateOptions, type EvaluationProgress, evaluateModel } from './api/evaluate-model.ts';
export { extractFeatures, type FeatureOptions } from './api/extract-features.ts';
export { inspectWeights } from './api/inspect-weights.ts';
export { type PackedSplit, type PackOptions, type PackResult, packImages } from './api/pack-images.ts';
export { type ResumeOptions, resumeTraining } from './api/resume-training.ts';
export type { TrainOutcome } from './api/run-training.ts';
export { type TrainOptions, trainNetwork } from './api/train-network.ts';
export {
  type TransferFigures,
  type TransferOptions,
  type TransferResult,
  transferFeatures,
} from './api/transfer-features.ts';
export type { SplitOptions } from './api/transfer-images.ts';
export type { Communicator } from './comm/communicator.ts';
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
export type { BadImage } from './data/sources/bad-images.ts';
export { describeUnused, type UnusedFiles } from './data/sources/folders/unused-files.ts';
export type { ImageInput } from './data/sources/given/image-input.ts';
export type { ImageSource, RgbImage, StoredImage } from './data/sources/image-source.ts';
export { type OpenOptions, openImages } from './data/sources/open-images.ts';
export type { Split } from './data/sources/splits.ts';
export type { SurveyProgress } from './data/training/color-survey.ts';
export type { EvaluatedImage } from './evaluate/evaluate-images.ts';
export type { FeatureView } from './evaluate/features/feature-extractor.ts';
export type { ImageFeatures } from './evaluate/features/feature-files.ts';
export type { PositionPooling } from './evaluate/features/feature-layers.ts';
export type { MemberPosteriors } from './evaluate/inference/ensemble.ts';
export type { EngineOptions } from './evaluate/inference/load-model.ts';
export type { LabeledClass } from './evaluate/protocol/prediction-maps.ts';
export {
  type Protocol,
  type ProtocolOptions,
  protocols,
  type SingleProtocol,
} from './evaluate/protocol/protocol.ts';
export type { RankedClass } from './evaluate/protocol/softmax.ts';
export {
  type ClassErrors,
  confusionMatrix,
  type EvaluationResult,
  measureByClass,
} from './evaluate/results/error-rates.ts';
export type { ImageResult, ImageResults } from './evaluate/results/image-results.ts';
export type { LinearOptions, LinearProblem } from './evaluate/transfer/linear-problem.ts';
export { type LinearClassifier, trainLinear } from './evaluate/transfer/linear-svm.ts';
export type { Measured } from './evaluate/transfer/measures.ts';
export type {
  Backend,
  CompileOptions,
  CompileTrainingOptions,
  Instruments,
  LabeledInput,
  LossOutcome,
  MemoryPlan,
  ParameterField,
  ParameterOptions,
  Parameters,
  Pass,
  PlanMemoryOptions,
  Program,
  SgdStep,
  StageClock,
  StageTime,
  TrainingInput,
  TrainingProgram,
} from './kernels/backend.ts';
export {
  type BackendName,
  type BackendOptions,
  backendNames,
  type Precision,
} from './kernels/backend-options.ts';
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
export type { DataFacts, StartingModel } from './train/data-defaults.ts';
export type { Metrics, TrainingMetrics, ValidationMetrics } from './train/metrics.ts';
export { type PartialRecipe, type Recipe, type RecipeKeyFacts, recipeKeys } from './train/recipe.ts';
export { readRecipeFile } from './train/recipe-file.ts';
export { resolveRecipe } from './train/resolve-recipe.ts';
export type { TrainingPhase, TrainingStart, TrainListener } from './train/session.ts';
export type { TrainingProgress } from './train/trainer-hooks.ts';
export type { DownloadListener } from './weights/download/download-file.ts';
export { localModel } from './weights/download/local-model.ts';
export type { WriteOptions } from './weights/export/exported-model.ts';
export type { WriteReport } from './weights/export/write-weights.ts';
export type { DeferredTensor, NamedTensor, TensorToWrite } from './weights/formats/safetensors/writer.ts';
export type { InspectedTensor, Inspection } from './weights/import/describe-file.ts';
export type { ImportReport } from './weights/import/import-report.ts';
export type { ChannelOrder } from './weights/import/preprocessing.ts';
export type { ClassNames } from './weights/labels/class-names.ts';
export type { ModelFacts } from './weights/model/metadata.ts';
export type { Model } from './weights/model/model.ts';
export { type OnProgress, type ReadModelOptions, readModel } from './weights/model/read-model.ts';
export { writeModel } from './weights/model/write-model.ts';
