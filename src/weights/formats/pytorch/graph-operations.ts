/**
 * The functions in the graph of a program that `torch.export` saved: `models/model.json` in its archive.
 * https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py
 */
import { z } from 'zod';
import type { Operation, Setting, StatedOperations } from '../../import/stated-operations.ts';
import { damaged } from '../../weight-errors.ts';

const argument = z.record(z.string(), z.unknown());
const schema = z.object({
  graph_module: z.object({
    graph: z.object({
      nodes: z.array(
        z.object({
          target: z.string(),
          inputs: z.array(z.object({ name: z.string(), arg: argument })),
        }),
      ),
      tensor_values: z.record(z.string(), z.object({ sizes: z.array(argument) })),
    }),
    signature: z.object({
      input_specs: z.array(z.object({ user_input: z.object({ arg: argument }).optional() })),
    }),
  }),
});

/** @throws UserError when the description is damaged. */
export function operationsOfGraph(path: string, text: Buffer): StatedOperations {
  const { graph, signature } = parse(path, text);
  const list = graph.nodes.flatMap(({ target, inputs }): Operation[] => {
    const [, kind = target] = /^torch\.ops\.aten\.(\w+?)_?(?:\.\w+)?$/.exec(target) ?? [];
    // Of sizes, and checks of them.
    if (!target.startsWith('torch.') || /^(sym_|_assert)/.test(kind)) return [];
    const settings: Record<string, Setting> = {};
    for (const { name, arg } of inputs) {
      const value = settingOf(arg);
      if (value !== undefined) settings[name] = value;
    }
    const name = kind.replace(/^max_pool2d_with_indices$/, 'max_pool2d').replace(/^_(?=adaptive_)/, '');
    return [{ kind: name, name, settings }];
  });
  const inputs = signature.input_specs.flatMap(({ user_input: input }) => tensorName(input?.arg) ?? []);
  const [first] = inputs;
  return {
    list,
    areAll: true,
    inputSide: first === undefined ? undefined : sideOf(graph.tensor_values[first]),
  };
}

function parse(path: string, text: Buffer): z.infer<typeof schema>['graph_module'] {
  try {
    return schema.parse(JSON.parse(text.toString('utf8'))).graph_module;
  } catch (error) {
    throw damaged(path, 'PyTorch', 'models/model.json in it is damaged', error);
  }
}

function settingOf(arg: Readonly<Record<string, unknown>>): Setting | undefined {
  const value = arg.as_ints ?? arg.as_int ?? arg.as_float ?? arg.as_bool ?? arg.as_string;
  if (Array.isArray(value)) return value.every((item) => typeof item === 'number') ? value : undefined;
  const isPlain = ['number', 'boolean', 'string'].includes(typeof value);
  return isPlain ? (value as Setting) : undefined;
}

function tensorName(arg: Readonly<Record<string, unknown>> | undefined): string | undefined {
  const name = (arg?.as_tensor as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' ? name : undefined;
}

/** The side of a square image `[batch, channels, height, width]` of fixed size. */
function sideOf(value: { readonly sizes: readonly Readonly<Record<string, unknown>>[] } | undefined) {
  const [, , height, width] = (value?.sizes ?? []).map(({ as_int: extent }) => extent);
  return typeof height === 'number' && height > 0 && height === width ? height : undefined;
}
