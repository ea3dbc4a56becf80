/** What a report shows of one training run, gathered by src/api and drawn by the files beside this one. */
import type { ClassErrors, ErrorRates } from '../evaluate/error-rates.ts';
import type { Metrics } from '../train/metrics.ts';

export interface RunReport {
  /** The run folder, as the person named it. */
  readonly run: string;
  /** Rows of the first table: network, data, recipe. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** The recipe as YAML. */
  readonly recipe: string;
  readonly metrics: readonly Metrics[];
  /** Names for people, in label order. */
  readonly labels: readonly string[];
  readonly evaluation:
    | (ErrorRates & { readonly protocol: string; readonly scales: readonly number[] })
    | null;
  readonly byClass: readonly ClassErrors[];
  /** `[true class, most probable class]`: images. */
  readonly confusion: Uint32Array;
  readonly mistakes: readonly Mistake[];
  /** conv1_1's filters as a PNG. */
  readonly filters: Uint8Array;
}

/** An image that the model is sure of and wrong about. */
export interface Mistake {
  readonly name: string;
  readonly label: string;
  readonly predicted: string;
  readonly probability: number;
  /** Posterior of the true class. */
  readonly labelProbability: number;
  /** The image as a PNG. */
  readonly picture: Uint8Array;
  /** The score map of the class that was predicted, laid over the image, as a PNG. */
  readonly scoreMap: Uint8Array;
}
