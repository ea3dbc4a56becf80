/**
 * Sums and maxima over a workgroup of 64 threads, by subgroups of any size if the device has them, otherwise through
 * the workgroup's memory. The order of a sum is always the same.
 */

export const REDUCED = 64;

export interface Reduction {
  /** `fn total(value, local…)` and, for f32, `fn largest(value, local…)`, which return the result in each thread. */
  readonly functions: string;
  /** Text to append to the parameters of `main`, and to the arguments of the functions after `local`. */
  readonly parameter: string;
  readonly argument: string;
}

/** @param type of the values */
export function reduction(subgroups: boolean, type: 'f32' | 'vec4f'): Reduction {
  const combine = subgroups ? bySubgroups : byMemory;
  const memory = `var<workgroup> partial: array<${type}, ${REDUCED}>;`;
  const total = combine('total', type, 'subgroupAdd', (a, b) => `${a} + ${b}`);
  const largest = combine('largest', type, 'subgroupMax', (a, b) => `max(${a}, ${b})`);
  const leaders = subgroups ? 'var<workgroup> scattered: atomic<u32>;' : '';
  return {
    functions: [memory, leaders, total, type === 'f32' ? largest : ''].join('\n'),
    parameter: subgroups ? ', @builtin(subgroup_size) lanes: u32' : '',
    argument: subgroups ? ', lanes' : '',
  };
}

type Combine = (
  name: string,
  type: string,
  operation: string,
  both: (a: string, b: string) => string,
) => string;

/**
 * In each subgroup, the lowest-numbered thread stores the result and the others a neutral value. On every known device,
 * threads are numbered consecutively within subgroups, so these threads are `lanes` apart. WebGPU does not guarantee
 * this; where it does not hold, the values of all threads are read.
 */
const bySubgroups: Combine = (name, type, operation, both) => /* wgsl */ `
fn ${name}(value: ${type}, local: u32, lanes: u32) -> ${type} {
  let reduced = ${operation}(value);
  let first = subgroupMin(local);
  partial[local] = ${operation === 'subgroupMax' ? 'reduced' : `select(${type}(), reduced, local == first)`};
  if (local == first && first % lanes != 0u) { atomicStore(&scattered, 1u); }
  workgroupBarrier();
  let step = select(lanes, 1u, atomicLoad(&scattered) == 1u);
  var all = partial[0];
  for (var place = step; place < ${REDUCED}u; place += step) { all = ${both('all', 'partial[place]')}; }
  workgroupBarrier();
  return all;
}
`;

/** Reduces in two steps of eight, so that no thread has to read 64 values. */
const byMemory: Combine = (name, type, _, both) => /* wgsl */ `
fn ${name}(value: ${type}, local: u32) -> ${type} {
  partial[local] = value;
  workgroupBarrier();
  var some = value;
  if (local < 8u) {
    for (var place = local + 8u; place < ${REDUCED}u; place += 8u) { some = ${both('some', 'partial[place]')}; }
  }
  workgroupBarrier();
  if (local < 8u) { partial[local] = some; }
  workgroupBarrier();
  var all = partial[0];
  for (var place = 1u; place < 8u; place++) { all = ${both('all', 'partial[place]')}; }
  workgroupBarrier();
  return all;
}
`;
