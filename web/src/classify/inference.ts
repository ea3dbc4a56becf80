/** Who looks at pictures: the server, or this device. Both answer in the server's words. */
import type { CropsResponse, ScoreMapResponse } from '../../../src/serve/contract/maps.ts';
import type { ModelInfo } from '../../../src/serve/contract/model.ts';
import type { PredictResponse } from '../../../src/serve/contract/predict.ts';
import type { WebModel } from '../../../src/web/index.ts';
import { postImage } from '../api/client.ts';
import type { Picture } from '../state/picture.ts';

export interface PredictWish {
  readonly protocol: PredictResponse['protocol'];
  /** One side in pixels, or `auto`. */
  readonly scales: string;
  /** Whether all of the server's models judge together. */
  readonly fused: boolean;
}

export interface ScoreMapWish {
  readonly scale: number;
  /** One class; else the five most probable ones. */
  readonly class?: number;
}

export interface Looker {
  /** Another for each model and each place. */
  readonly id: string;
  /** Whether it has all of the server's models, whose mean can be asked for. */
  readonly canFuse: boolean;
  predict(picture: Picture, wish: PredictWish, signal: AbortSignal): Promise<PredictResponse>;
  scoreMap(picture: Picture, wish: ScoreMapWish, signal: AbortSignal): Promise<ScoreMapResponse>;
  crops(picture: Picture, scale: number, signal: AbortSignal): Promise<CropsResponse>;
}

const TOP = 5;
/** What the server calls the mean of its models. */
const ALL = 'all';

export function serverLooker({ name }: ModelInfo): Looker {
  return {
    id: `server ${name}`,
    canFuse: true,
    predict: ({ file }, { fused, ...wish }, signal) =>
      postImage('v1/predict', file, { ...wish, top: TOP, model: fused ? ALL : name }, signal),
    scoreMap: ({ file }, { scale, class: one }, signal) => {
      const wanted = one === undefined ? { top: TOP } : { class: one };
      return postImage('v1/score-map', file, { scales: scale, model: name, ...wanted }, signal);
    },
    crops: ({ file }, scale, signal) => postImage('v1/crops', file, { scales: scale, model: name }, signal),
  };
}

/** @param onFailure hears of what went wrong here, so that the server can be asked instead */
export function localLooker(
  { name }: ModelInfo,
  model: WebModel,
  onFailure: (error: unknown) => void,
): Looker {
  const here = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      onFailure(error);
      throw error;
    }
  };
  const sizeOf = ({ pixels }: Picture) => ({ width: pixels.width, height: pixels.height });
  return {
    id: `here ${name}`,
    canFuse: false,
    predict: async (picture, { protocol, scales }) => {
      const start = performance.now();
      const wanted = scales === 'auto' ? scales : [Number(scales)];
      const { top } = await here(model.predict(picture.pixels, { protocol, scales: wanted, top: TOP }));
      const milliseconds = performance.now() - start;
      const image = { name: picture.name, ...sizeOf(picture), top: [...top], milliseconds };
      return { models: [name], protocol, scales: [], images: [image] };
    },
    scoreMap: async (picture, { scale, class: one }) => {
      const map = await here(model.scoreMap(picture.pixels, one === undefined ? TOP : [one], scale));
      return { image: sizeOf(picture), scales: [{ scale, ...map }] };
    },
    crops: async (picture, scale) => ({
      image: sizeOf(picture),
      scales: [{ scale, ...(await here(model.crops(picture.pixels, scale))) }],
    }),
  };
}
