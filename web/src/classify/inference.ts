/** Classification by the server or by the model in this browser. Both return the types of the HTTP interface. */

import type { WebModel } from '../../../src/browser/index.ts';
import type { RankedClass } from '../../../src/serve/contract/common-schemas.ts';
import type {
  ClassMapResponse,
  CropsResponse,
  ScoreMapResponse,
} from '../../../src/serve/contract/map-schemas.ts';
import type { Limits, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import type { FamiliarityResponse, PredictResponse } from '../../../src/serve/contract/predict-schemas.ts';
import { postImage } from '../api/client.ts';
import type { Picture } from '../state/user-files.ts';

export type Protocol = PredictResponse['protocol'];

export interface PredictRequest {
  readonly protocol: Protocol;
  /** A smaller side in pixels, or `auto`. */
  readonly scales: string;
  /** Whether to average over all of the server's models. */
  readonly ensemble: boolean;
}

export interface ScoreMapRequest {
  readonly scale: number;
  /** Default: the five most probable classes. */
  readonly class?: number;
}

export interface ClassMapRequest {
  readonly scale: number;
  readonly class: number;
}

export interface Inference {
  /** Unique for each model, and different for server and browser. */
  readonly id: string;
  /** Whether it has all of the server's models. */
  readonly hasEnsemble: boolean;
  predict(picture: Picture, request: PredictRequest, signal: AbortSignal): Promise<PredictResponse>;
  scoreMap(picture: Picture, request: ScoreMapRequest, signal: AbortSignal): Promise<ScoreMapResponse>;
  crops(picture: Picture, scale: number, signal: AbortSignal): Promise<CropsResponse>;
  occlusion(picture: Picture, request: ClassMapRequest, signal: AbortSignal): Promise<ClassMapResponse>;
  gradCam(picture: Picture, request: ClassMapRequest, signal: AbortSignal): Promise<ClassMapResponse>;
  /** Undefined where the model's validation images are not at hand: in the browser. */
  readonly familiarity?: (picture: Picture, signal: AbortSignal) => Promise<FamiliarityResponse>;
}

/** Props of the evidence map's overlays. */
export interface OverlayProps {
  readonly model: ModelInfo;
  readonly limits: Limits;
  readonly inference: Inference;
  readonly picture: Picture;
  /** The most probable classes of the verdict. */
  readonly top: readonly RankedClass[];
}

const TOP = 5;
/** The server's name for the mean of all its models. */
const ALL = 'all';

export function serverInference({ name: model }: ModelInfo): Inference {
  return {
    id: `server ${model}`,
    hasEnsemble: true,
    predict: ({ file }, { ensemble, ...request }, signal) =>
      postImage('v1/predict', file, { ...request, top: TOP, model: ensemble ? ALL : model }, signal),
    scoreMap: ({ file }, { scale, class: index }, signal) => {
      const classes = index === undefined ? { top: TOP } : { class: index };
      return postImage('v1/score-map', file, { scales: scale, model, ...classes }, signal);
    },
    crops: ({ file }, scale, signal) => postImage('v1/crops', file, { scales: scale, model }, signal),
    occlusion: ({ file }, request, signal) => postImage('v1/occlusion', file, { ...request, model }, signal),
    gradCam: ({ file }, request, signal) => postImage('v1/grad-cam', file, { ...request, model }, signal),
    familiarity: ({ file }, signal) => postImage('v1/familiarity', file, { model }, signal),
  };
}

/** @param onFailure called when the model in this browser fails, so that the server can take over */
export function browserInference(
  { name }: ModelInfo,
  model: WebModel,
  onFailure: (error: unknown) => void,
): Inference {
  const watched = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
  const sizeOf = ({ pixels }: Picture) => ({ width: pixels.width, height: pixels.height });
  return {
    id: `browser ${name}`,
    hasEnsemble: false,
    predict: async (picture, { protocol, scales }) => {
      const start = performance.now();
      const sides = scales === 'auto' ? scales : [Number(scales)];
      const { top } = await watched(model.predict(picture.pixels, { protocol, scales: sides, top: TOP }));
      const milliseconds = performance.now() - start;
      const image = { name: picture.name, ...sizeOf(picture), top: [...top], milliseconds };
      return { models: [name], protocol, scales: [], images: [image] };
    },
    scoreMap: async (picture, { scale, class: index }) => {
      const map = await watched(model.scoreMap(picture.pixels, index === undefined ? TOP : [index], scale));
      return { image: sizeOf(picture), scales: [{ scale, ...map }] };
    },
    crops: async (picture, scale) => ({
      image: sizeOf(picture),
      scales: [{ scale, ...(await watched(model.crops(picture.pixels, scale))) }],
    }),
    occlusion: async (picture, { scale, class: index }) => ({
      image: sizeOf(picture),
      scale,
      ...(await watched(model.occlusionMap(picture.pixels, index, scale))),
    }),
    gradCam: async (picture, { scale, class: index }) => ({
      image: sizeOf(picture),
      scale,
      ...(await watched(model.gradCam(picture.pixels, index, scale))),
    }),
  };
}
