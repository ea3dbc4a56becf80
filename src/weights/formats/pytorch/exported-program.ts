/**
 * Reads the tensors in an archive of `torch.export.save` (.pt2): `data/weights/model_weights_config.json` describes
 * them, and each has a file of raw values. https://docs.pytorch.org/docs/main/user_guide/torch_compiler/export/pt2_archive.html
 */
import { z } from 'zod';
import { UserError } from '../../../core/errors.ts';
import type { ZipReader } from '../../containers/zip/zip-reader.ts';
import { elementBytes } from '../../tensors/element-types.ts';
import { stridedTensor } from '../../tensors/strided-tensor.ts';
import { damaged } from '../../weight-errors.ts';
import type { WeightContent } from '../weight-content.ts';
import { operationsOfGraph } from './graph-operations.ts';

const WEIGHTS = 'data/weights/';
const CONFIG = `${WEIGHTS}model_weights_config.json`;
/** The program that belongs to these weights; its notes on the source code may be long. */
const MODEL = 'models/model.json';
const MAX_MODEL_BYTES = 64 * 2 ** 20;
/** In archives of PyTorch 2.1 to 2.7. */
const OLD = 'serialized_exported_program.json';
const MAX_CONFIG_BYTES = 16 * 2 ** 20;

/** Numbers of `torch._export.serde.schema.ScalarType`. */
const types: Readonly<Record<number, string>> = {
  ...{ 1: 'U8', 2: 'I8', 3: 'I16', 4: 'I32', 5: 'I64', 6: 'F16', 7: 'F32', 8: 'F64', 12: 'BOOL', 13: 'BF16' },
};

const count = z.object({ as_int: z.int().nonnegative() }).transform(({ as_int }) => as_int);
const schema = z.object({
  config: z.record(
    z.string(),
    z.object({
      path_name: z.string(),
      use_pickle: z.boolean().default(false),
      tensor_meta: z.object({
        dtype: z.int(),
        sizes: z.array(count),
        strides: z.array(count),
        storage_offset: count,
      }),
    }),
  ),
});

/** The folder of all entries if an archive has these entries, or undefined. */
export function exportRoot(names: readonly string[]): string | undefined {
  for (const name of [CONFIG, OLD]) {
    const found = names.find((entry) => entry === name || entry.endsWith(`/${name}`));
    if (found !== undefined) return found.slice(0, -name.length);
  }
  return undefined;
}

/** @param root of the entries, as `exportRoot` finds it @throws UserError when the archive is damaged or an old one */
export async function openExport(path: string, zip: ZipReader, root: string): Promise<WeightContent> {
  if (!zip.has(root + CONFIG)) {
    throw new UserError(
      `${path} is a program that torch.export of PyTorch 2.7 or older saved; save its weights in Python: torch.save(torch.export.load("model.pt2").state_dict, "model.pth")`,
    );
  }
  const config = parseConfig(path, await zip.readSmall(root + CONFIG, MAX_CONFIG_BYTES));
  const tensors = Object.entries(config).map(
    ([name, { path_name: entry, use_pickle: isPickled, tensor_meta }]) => {
      const { dtype, sizes: shape, strides, storage_offset: offset } = tensor_meta;
      if (strides.length !== shape.length)
        throw damaged(path, 'PyTorch', `tensor ${name} has damaged strides`);
      const type = isPickled ? 'a pickle' : (types[dtype] ?? `PyTorch's type ${dtype}`);
      return stridedTensor({ path, format: 'PyTorch', name, type, shape, strides }, async () => {
        const source = await zip.section(root + WEIGHTS + entry);
        const position = Math.min(source.size, offset * elementBytes(type)!);
        return { source, position, bytes: source.size - position };
      });
    },
  );
  const operations = zip.has(root + MODEL)
    ? operationsOfGraph(path, await zip.readSmall(root + MODEL, MAX_MODEL_BYTES))
    : undefined;
  return { description: 'PyTorch, exported program', tensors, metadata: {}, operations };
}

function parseConfig(path: string, text: Buffer): z.infer<typeof schema>['config'] {
  try {
    return schema.parse(JSON.parse(text.toString('utf8'))).config;
  } catch (error) {
    throw damaged(path, 'PyTorch', `${CONFIG} in it is damaged`, error);
  }
}
