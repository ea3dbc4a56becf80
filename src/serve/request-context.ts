/** What all routes share. */
import type { RunList } from '../runs/run-list.ts';
import type { AdmissionControl } from './admission.ts';
import type { Limits } from './contract/model-schemas.ts';
import type { DemoImages } from './demo-images.ts';
import type { ImageDecoder } from './image-decoder.ts';
import type { ModelDownloads } from './model-downloads.ts';
import type { ServedModels } from './models/served-models.ts';
import type { ServerMetrics } from './prometheus.ts';
import type { RunPages } from './runs/run-reports.ts';

export interface Context {
  readonly models: ServedModels;
  readonly runs: RunList | undefined;
  readonly pages: RunPages;
  readonly limits: Limits;
  /** Whether clients may download the models' weights. */
  readonly servesWeights: boolean;
  readonly downloads: ModelDownloads;
  readonly demoImages: DemoImages | undefined;
  readonly admission: AdmissionControl;
  readonly decoder: ImageDecoder;
  readonly metrics: ServerMetrics;
  /** Aborted when the server begins to shut down, which ends all streams. */
  readonly closing: AbortSignal;
}
