/// <reference types="@webgpu/types" />
/** The weights' gradient by Winograd's method as dispatches: chunk by chunk to the points, and once back from there. */
import type { PlacedConvolution } from './choices.ts';
import { groupsFor } from './device.ts';
import { type Dispatch, numbers } from './dispatch.ts';
import type { Context } from './forward.ts';
import { inputToPoints, TRANSFORM_GROUP } from './shaders/winograd.ts';
import { schemeOf } from './shaders/winograd-scheme.ts';
import { gradientToPoints, pointGradients, pointsToWeights } from './shaders/winograd-weights.ts';
import { chunksOf } from './winograd.ts';
import { gradientGroups, gradientSplits, planFor, type WinogradChoice } from './winograd-plan.ts';

/** Adds to the gradient. */
export function winogradWeightGradient(
  context: Context,
  placed: PlacedConvolution,
  { size, tile }: WinogradChoice,
  [x, dy, gradient]: readonly [GPUBuffer, GPUBuffer, GPUBuffer],
): Dispatch[] {
  const plan = planFor('weights', placed, size);
  const { call, points: buffers } = context;
  const { points } = plan;
  const { inVectors, outVectors } = plan.shape;
  const scheme = schemeOf(size);
  const splits = gradientSplits(plan, tile, context.busy);
  const products = buffers.weights(splits * points * 16 * inVectors * outVectors);
  const algorithm = `Winograd F(${size}×${size})`;
  const groups = [...gradientGroups(plan, tile), points * splits] as const;
  const dispatches = chunksOf(context, plan).flatMap(({ fields, count, transform }): Dispatch[] => [
    {
      code: inputToPoints(scheme),
      bindings: [call, fields, x, buffers.source],
      groups: (images) => transform(images, inVectors),
      algorithm,
    },
    {
      code: gradientToPoints(scheme),
      bindings: [call, fields, dy, buffers.result],
      groups: (images) => transform(images, outVectors),
      algorithm,
    },
    {
      code: pointGradients(scheme, tile),
      bindings: [call, fields, buffers.source, buffers.result, products],
      groups: (images) => (count(images) === 0 ? [0] : groups),
      algorithm,
    },
  ]);
  const fields = context.uniform(numbers(inVectors, outVectors, splits));
  return [
    ...dispatches,
    {
      code: pointsToWeights(scheme),
      bindings: [call, fields, products, gradient],
      groups: () => groupsFor(4 * inVectors * outVectors, TRANSFORM_GROUP),
      algorithm,
    },
  ];
}
