/**
 * The functions of PyTorch that a TorchScript program calls. Its code is text in a subset of Python; it is searched for
 * calls, not run. https://docs.pytorch.org/docs/stable/jit.html#inspecting-code
 */
import type { Operation, Setting } from '../../import/stated-operations.ts';

/** Parameters after the first, of functions whose settings matter. */
const CONVOLUTION = ['weight', 'bias', 'stride', 'padding', 'dilation'];
const parameters: Readonly<Record<string, readonly string[]>> = {
  conv2d: [...CONVOLUTION, 'groups'],
  _convolution: [...CONVOLUTION, 'transposed', 'output_padding', 'groups'],
  max_pool2d: ['kernel_size', 'stride', 'padding', 'dilation', 'ceil_mode'],
  avg_pool2d: ['kernel_size', 'stride', 'padding'],
  adaptive_avg_pool2d: ['output_size'],
  adaptive_max_pool2d: ['output_size'],
  batch_norm: ['weight', 'bias', 'running_mean', 'running_var', 'training', 'momentum', 'eps'],
  mean: ['dim'],
  amax: ['dim'],
};
/** Functions of sizes and other values that are not activations. */
const ofSizes = new Set(
  'size len dim numel item Int Float Bool eq ne lt le gt ge floordiv __is__ __isnot__ __not__ __getitem__ __contains__ format append slice warn'.split(
    ' ',
  ),
);
/** Arithmetic, of tensors or of sizes. */
const arithmetic = new Set('add sub mul div'.split(' '));
/** The longest text that is searched for the end of a call. */
const LONGEST_CALL = 4096;

/** @param entries the code by its path under `code/` */
export function scriptOperations(entries: ReadonlyMap<string, string>): Operation[] {
  return [...entries].flatMap(([path, code]) => {
    // Wrappers in Python around the functions of `torch`: what counts is who calls them, and how.
    if (path === '__torch__/torch/nn/functional.py') return [];
    return operationsIn(code, path.startsWith('__torch__/torch/nn/'));
  });
}

/** @param isLayer whether the code is that of a layer of PyTorch, which computes with sizes only */
function operationsIn(code: string, isLayer: boolean): Operation[] {
  const aliases = code.matchAll(/^ *(\w+) = __torch__\.torch\.nn\.functional\.(\w+)$/gm);
  const functions = new Map([...aliases].map(([, alias, name]) => [alias!, name!]));
  const integers = code.matchAll(
    /^ *(\w+) = (?:int|torch\.(?:size|len|dim|numel)|ops\.prim\.NumToTensor)\(/gm,
  );
  const sizes = new Set([...integers].map(([, name]) => name!));
  const isSize = (text: string) =>
    sizes.has(text) || /^(-?\d+$|(int|torch\.(size|len|dim|numel))\()/.test(text);
  const calls = /(?<![\w.])(?:(__torch__\.torch\.nn\.functional|torch|ops\.\w+)\.)?(\w+)\(/g;
  return [...code.matchAll(calls)].flatMap((match): Operation[] => {
    const [whole, from, called = ''] = match;
    const found = from === undefined ? functions.get(called) : called;
    if (found === undefined || from === 'ops.prim') return [];
    const kind = from?.startsWith('ops.') ? `${from}.${found}` : kindOf(found);
    const given = argumentsAt(code, match.index + whole.length);
    if (ofSizes.has(kind) || (arithmetic.has(kind) && (isLayer || given.every(isSize)))) return [];
    return [{ kind, name: kind, settings: settingsOf(kind, given) }];
  });
}

/** Without the underscores of functions in place and of Python's wrappers. */
function kindOf(name: string): string {
  return name.replace(/(?<=\w)_$/, '').replace(/^_(?=(adaptive_)?max_pool2d$)/, '');
}

/** The texts of a call's arguments. @param start right after its parenthesis */
function argumentsAt(code: string, start: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let from = start;
  for (let at = start; at < Math.min(code.length, start + LONGEST_CALL); at++) {
    const sign = code[at]!;
    if (depth === 0 && (sign === ',' || sign === ')')) {
      found.push(code.slice(from, at).trim());
      from = at + 1;
      if (sign === ')') break;
    } else if (sign === '(' || sign === '[') depth++;
    else if (sign === ')' || sign === ']') depth--;
  }
  return found.filter((text) => text !== '');
}

function settingsOf(kind: string, given: readonly string[]): Record<string, Setting> {
  const names = Object.hasOwn(parameters, kind) ? parameters[kind]! : [];
  const settings: Record<string, Setting> = {};
  for (const [index, name] of names.entries()) {
    const value = literal(given[index + 1] ?? '');
    if (value !== undefined) settings[name] = value;
  }
  if (kind === 'transpose') settings.dims = given.slice(1).map(Number);
  return settings;
}

function literal(text: string): Setting | undefined {
  if (text === 'True' || text === 'False') return text === 'True';
  if (/^\[[-\d, ]*\]$/.test(text)) {
    const items = text.slice(1, -1).split(',');
    return items.map(Number);
  }
  const value = Number(text);
  return text !== '' && Number.isFinite(value) ? value : undefined;
}
