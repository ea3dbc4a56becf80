/**
 * Building blocks of shaders. Tensors on the GPU are `[N, H, W, C]` in vectors of four channels (`stored4`, declared in
 * storage-format.ts), with C padded with zeros to a multiple of four. So every load reads four values, and the channels
 * that a product sums over are adjacent.
 */

/** The values that differ between calls. */
const CALL = /* wgsl */ `
struct Call {
  /** Number of images in the batch; nothing is computed for the rest. */
  images: u32,
  /** 1 if the images have dropout keys. */
  hasKeys: u32,
  /** Scales the output's gradient. */
  gradientScale: f32,
  /** Scales sums that are gradients of parameters. */
  parameterScale: f32,
}
`;

export type Declared = readonly [name: string, type: string, access: 'read' | 'read_write' | 'uniform'];

/** Declares a buffer that the kernel reads. */
export function reads(name: string, type = 'stored4'): Declared {
  return [name, `array<${type}>`, 'read'];
}

/** Declares a buffer that the kernel writes, or reads and writes. */
export function writes(name: string, type = 'stored4'): Declared {
  return [name, `array<${type}>`, 'read_write'];
}

/**
 * Writes the declarations at the head of a kernel. Binding 0 is `shape`, then come the others.
 * @param fields of `Shape`, u32 unless they name another type: `a`, `b: f32`
 */
export function head(fields: readonly string[], ...own: readonly Declared[]): string {
  return shapeStruct(fields) + bindings([['shape', 'Shape', 'uniform'], ...own]);
}

/** Like `head`, but binding 0 is `call` and binding 1 is `shape`. */
export function callHead(fields: readonly string[], ...own: readonly Declared[]): string {
  const declared = bindings([['call', 'Call', 'uniform'], ['shape', 'Shape', 'uniform'], ...own]);
  return CALL + shapeStruct(fields) + declared;
}

function shapeStruct(fields: readonly string[]): string {
  const typed = fields.map((field) => `  ${field.includes(':') ? field : `${field}: u32`},`);
  return `struct Shape {\n${typed.join('\n')}\n}\n`;
}

function bindings(list: readonly Declared[]): string {
  return list
    .map(([name, type, access], binding) => {
      const space = access === 'uniform' ? 'uniform' : `storage, ${access}`;
      return `@group(0) @binding(${binding}) var<${space}> ${name}: ${type};\n`;
    })
    .join('');
}

/** Computes the index of a thread's element from workgroups in two dimensions (`groupsFor` in ../gpu.ts). */
function element(threads: number): string {
  return /* wgsl */ `
fn element(group: vec3u, groups: vec3u, local: u32) -> u32 {
  return (group.y * groups.x + group.x) * ${threads}u + local;
}
`;
}

/** Writes the `main` of an elementwise kernel. Threads past `count` elements return. */
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

/** Writes a line for each of 0 … count − 1: a loop over registers, unrolled. */
export function unroll(count: number, line: (index: number) => string): string {
  return Array.from({ length: count }, (_, index) => line(index)).join('\n');
}

/** The value that a backward kernel stores. With `masked`, it is 0 where the layer's input, a ReLU's output, is 0. */
export function maskedGradient(masked: boolean, gradient: string, input: string): string {
  return masked ? `select(stored4(), ${gradient}, ${input} > stored4())` : gradient;
}
