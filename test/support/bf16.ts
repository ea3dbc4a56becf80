import { findKernels } from '../../src/kernels/native/load-addon.ts';

/** Why tests of precision bf16 are skipped, or false. */
export const lacksBf16: string | false =
  findKernels().addon?.library().bf16Isa === undefined ? 'this processor cannot multiply bfloat16' : false;
