/// <reference types="@webgpu/types" />
import type { Gpu } from './gpu.ts';
import {
  PACK_BF16_WEIGHTS,
  PACK_WEIGHTS,
  UNPACK_BF16_WEIGHTS,
  UNPACK_WEIGHTS,
} from './shaders/layout-conversions.ts';
import { SGD } from './shaders/sgd.ts';

/** The pipelines that parameters need, compiled in advance so that calls keep their order. */
export interface ParameterPipelines {
  readonly pack: GPUComputePipeline;
  readonly unpack: GPUComputePipeline;
  readonly packBf16: GPUComputePipeline;
  readonly unpackBf16: GPUComputePipeline;
  readonly sgd: GPUComputePipeline;
}

export async function compileParameterPipelines(gpu: Gpu): Promise<ParameterPipelines> {
  const [pack, unpack, packBf16, unpackBf16, sgd] = await Promise.all(
    [PACK_WEIGHTS, UNPACK_WEIGHTS, PACK_BF16_WEIGHTS, UNPACK_BF16_WEIGHTS, SGD].map((code) =>
      gpu.pipeline(code),
    ),
  );
  return {
    ...{ pack: pack!, unpack: unpack!, packBf16: packBf16!, unpackBf16: unpackBf16! },
    sgd: sgd!,
  };
}
