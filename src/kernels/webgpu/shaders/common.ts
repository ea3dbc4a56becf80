/**
 * What shaders share. Tensors on the GPU are `[N, H, W, C]` in groups of four channels (stored4, which storage.ts
 * declares), C filled up with zeros to a multiple of four: every load is of four values, and the channels that a
 * product sums over lie side by side.
 */

/** What changes from call to call. */
export const CALL = /* wgsl */ `
struct Call {
  /** How many images of the batch are there; nothing is computed for the rest. */
  images: u32,
  /** 1 where the images have dropout keys. */
  hasKeys: u32,
  /** Of the output's gradient; then of sums that are gradients of parameters. */
  gradientScale: f32,
  parameterScale: f32,
}
`;

/** The number of an element, whose workgroups may stand in two dimensions (groupsFor in ../device.ts). */
function element(threads: number): string {
  return /* wgsl */ `
fn element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * ${threads}u + local;
}
`;
}

/** Head of an elementwise kernel's `main`, which returns for elements past `count`. */
export function elementwise(count: string, body: string, threads = 256): string {
  return /* wgsl */ `${element(threads)}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) local: u32) {
  let i = element(group, groups, local);
  if (i >= ${count}) { return; }
${body}
}
`;
}

export type Access = 'read' | 'read_write' | 'uniform';

export type Declared = readonly [name: string, type: string, access: Access];

/** Declarations of bindings 0, 1, … in order. */
export function bindings(list: readonly Declared[]): string {
  return list
    .map(([name, type, access], binding) => {
      const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
      return `@group(0) @binding(${binding}) var<${space}> ${name}: ${type};`;
    })
    .join('\n');
}

/** Text for each of 0 … count − 1, one a line. Loops over registers are written out. */
export function unroll(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join('\n');
}

/** `struct Shape { a: u32, … }` */
export function shapeStruct(fields: readonly string[]): string {
  return `struct Shape {\n${fields.map((field) => `  ${field}: u32,`).join('\n')}\n}`;
}
