/** Estimates the time of a plan's steps on this machine, from short timings. */
import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { availableCores } from '../core/available-cores.ts';
import { parseTrainScale } from '../core/scale.ts';
import type { ImageSource } from '../data/sources/image-source.ts';
import { openImages } from '../data/sources/open-images.ts';
import { selectImages } from '../data/sources/select-images.ts';
import { TrainingImages } from '../data/training/loader.ts';
import { Sampler } from '../data/training/sampler.ts';
import { type PlanNeeds, planNeeds } from '../reproduce/plan-needs.ts';
import type { ReproductionPlan } from '../reproduce/reproduction-plan.ts';
import { estimateReproduction, type LoadingTime, type StepEstimate } from '../reproduce/time-estimate.ts';
import { planSeeds } from '../reproduce/training-order.ts';
import type { Recipe } from '../train/recipe.ts';
import { measureRound } from './measure-speed.ts';

export interface PlanRequest {
  /** Folder of labeled images, see `openImages`. */
  readonly data: string;
  readonly plan: ReproductionPlan;
  /** File of the plan, for messages. */
  readonly origin: string;
  /** Folder of the reproduction. */
  readonly out: string;
}

export interface PlanEstimate {
  readonly steps: readonly StepEstimate[];
  readonly needs: PlanNeeds;
  /** What this machine has, in bytes: the free disk space at `out`, and the memory. */
  readonly has: { readonly diskBytes: number; readonly memoryBytes: number };
}

/** @throws UserError when plan or data cannot be used. */
export async function estimatePlan({ data, plan, origin, out }: PlanRequest): Promise<PlanEstimate> {
  const seeds = planSeeds(plan, out, origin);
  const { recipe } = seeds[0]!.trainings[0]!;
  const all = await openImages(data, { split: 'train' });
  const test = await openImages(data, { split: 'val' });
  const isHeldOut = test.split !== 'val' || recipe['validate-on'] === 'held-out';
  const heldOut = isHeldOut ? Math.round(recipe.holdout * all.length) : test.length;
  const left = isHeldOut ? all.length - heldOut : all.length;
  const request = {
    seeds,
    trainingImages: Math.min(recipe.limit ?? left, left),
    heldOutImages: heldOut,
    testImages: test.length,
    classes: all.classes.length,
  };
  return {
    steps: await estimateReproduction({
      ...request,
      speedOf: (network, batch, { backend, threads }) => measureRound(network, batch, backend, { threads }),
      loadingOf: (own) => loadingTime(all, own),
    }),
    needs: await planNeeds(request),
    has: { diskBytes: await freeBytes(out), memoryBytes: totalmem() },
  };
}

/** The free space of the disk on which a folder is, or would be. */
async function freeBytes(folder: string): Promise<number> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    if (!existsSync(path) && path !== dirname(path)) continue;
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  }
}

/** Images whose preparation is timed. */
const TIMED_IMAGES = 128;

/** Seconds to prepare an image of a later epoch, of which the cache holds as large a part as in training. */
async function loadingTime(all: ImageSource, recipe: Recipe): Promise<LoadingTime> {
  const count = Math.min(TIMED_IMAGES, all.length);
  const chosen = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * all.length) / count));
  const images = new TrainingImages(selectImages(all, chosen), {
    seed: recipe.seed,
    crop: recipe.crop,
    scale: parseTrainScale(recipe.scale),
    randomCrop: recipe['random-crop'],
    flip: recipe.flip,
    mean: [128, 128, 128],
    memory: (recipe['memory-budget'] * 2 ** 20 * count) / all.length,
    maxPixels: recipe['max-pixels'],
    colorProfiles: recipe['color-profiles'],
  });
  const sampler = new Sampler({ count, batch: count, seed: recipe.seed, shuffle: false });
  const load = async (...epochs: number[]): Promise<void> => {
    for await (const _ of images.loadBatches(epochs.map((epoch) => sampler.batch(epoch))));
  };
  await load(0);
  const before = process.cpuUsage();
  const start = performance.now();
  await load(1, 2);
  const now = (performance.now() - start) / 1000 / 2 / count;
  const { user, system } = process.cpuUsage(before);
  const idle = (user + system) / 1e6 / (recipe.threads ?? availableCores()) / 2 / count;
  return { now, idle: Math.min(now, idle) };
}
