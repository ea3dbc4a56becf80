/** Dispatches: runs of kernels. A program is a list of them, which each call replays. */
import type { Pass } from '../backend.ts';
import { type Binding, type Gpu, groupsFor } from './gpu.ts';

export type Groups = readonly [x: number, y?: number, z?: number];

export interface Dispatch {
  readonly code: string;
  /** In the order of the shader's bindings. */
  readonly bindings: readonly Binding[];
  /** Number of workgroups for a number of images. */
  readonly groups: (images: number) => Groups;
  /** Whether it transforms weights, which inference repeats only after they have changed. */
  readonly ofWeights?: boolean;
  /** For timing: the algorithm, and the layer and pass that it belongs to. */
  readonly algorithm?: string;
  readonly work?: { readonly layer: number; readonly pass: Pass };
}

/** A dispatch ready to be encoded. */
export interface Prepared extends Pick<Dispatch, 'groups' | 'algorithm' | 'work'> {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
}

/** Compiles all shaders in parallel and binds their buffers. */
export async function prepare(gpu: Gpu, dispatches: readonly Dispatch[]): Promise<Prepared[]> {
  const pipelines = await Promise.all(dispatches.map(({ code }) => gpu.pipeline(code)));
  return dispatches.map(({ bindings, groups, algorithm, work }, index) => ({
    pipeline: pipelines[index]!,
    group: gpu.bindGroup(pipelines[index]!, bindings),
    groups,
    algorithm,
    work,
  }));
}

/** Encodes dispatches as one compute pass. */
export function encodePass(
  encoder: GPUCommandEncoder,
  prepared: readonly Prepared[],
  images: number,
  descriptor: GPUComputePassDescriptor = {},
): void {
  const pass = encoder.beginComputePass(descriptor);
  for (const { pipeline, group, groups } of prepared) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...groups(images));
  }
  pass.end();
}

/** Workgroups of an elementwise kernel. @param elements per image */
export function perImage(elements: number): (images: number) => Groups {
  return (images) => groupsFor(images * elements);
}

/** Packs the fields of a uniform buffer: u32, or f32 where marked. */
export function numbers(...fields: readonly (number | { readonly float: number })[]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(4 * fields.length));
  fields.forEach((field, at) => {
    if (typeof field === 'number') view.setUint32(4 * at, field, true);
    else view.setFloat32(4 * at, field.float, true);
  });
  return view.buffer;
}

/** The values that differ between calls; `Call` in the shaders. */
export interface Call {
  readonly images: number;
  readonly hasKeys?: boolean;
  readonly gradientScale?: number;
  readonly parameterScale?: number;
}

export function callFields({ images, hasKeys, gradientScale = 0, parameterScale = 1 }: Call): ArrayBuffer {
  return numbers(images, hasKeys ? 1 : 0, { float: gradientScale }, { float: parameterScale });
}
