/**
 * The library for browsers, `import 'verydeep/web'`: prediction and training on the visitor's GPU, through WebGPU,
 * or on the CPU, through WebAssembly.
 * Nothing that this file imports needs Node.
 */
export { UserError } from '../core/errors.ts';
export type { TrainScale } from '../core/scale.ts';
export type { Size } from '../data/pixels/resample.ts';
export type { RgbImage } from '../data/sources/image-source.ts';
export type { ClassMap } from '../evaluate/protocol/class-map.ts';
export type { CropScores, LabeledClass, ScoreMap } from '../evaluate/protocol/prediction-maps.ts';
export type { Protocol } from '../evaluate/protocol/protocol.ts';
export { openBrowserGpu } from '../kernels/webgpu/browser-gpu.ts';
export type { Gpu, GpuOptions } from '../kernels/webgpu/gpu.ts';
export type { Network } from '../net/network.ts';
export type { Metrics, StopReason, TrainingMetrics, ValidationMetrics } from '../train/metrics.ts';
export type { TrainingProgress } from '../train/trainer-hooks.ts';
export type { ModelFacts } from '../weights/model/metadata.ts';
export { type FolderFile, type FolderImages, imagesOfFolder, type LabeledFile } from './folder.ts';
export type { LabeledImage, LabeledImages } from './memory-images.ts';
export type { DeviceOptions, WebBackendName } from './open-device.ts';
export { type ModelSource, type OpenOptions, openModel } from './open-model.ts';
export { type Drawable, pixelsOf, type WebImage } from './pixels.ts';
export {
  type BestModel,
  type TrainingStart,
  type TrainOptions,
  trainModel,
  type WebRecipe,
  type WebTraining,
} from './train-model.ts';
export { type Prediction, type PredictOptions, WebModel } from './web-model.ts';
