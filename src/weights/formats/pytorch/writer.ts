/** Writes files that `torch.load(path, weights_only=True)` reads and torchvision's `load_state_dict` accepts. */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { elementCount, type Shape } from '../../../core/shape.ts';
import { type ZipContent, zipArchive } from '../../containers/zip/zip-writer.ts';
import { type ExportedModel, isFullyConnected, weightAndBias } from '../../export/exported-model.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import { METADATA_ENTRY } from './reader.ts';

/** The folder in the archive. PyTorch itself uses the file's name, and accepts any. */
const ROOT = 'archive/';

/** @throws UserError when the file cannot be written. */
export async function writePytorch(path: string, exported: ExportedModel): Promise<readonly string[]> {
  const entries = stateDict(exported);
  const textEntry = (name: string, content: string): ZipContent => ({
    name: ROOT + name,
    data: Buffer.from(content),
  });
  await writeFileAtomically(
    path,
    zipArchive([
      { name: `${ROOT}data.pkl`, data: pickleStateDict(entries) },
      textEntry('byteorder', 'little'),
      ...entries.map(({ data }, key) => ({ name: `${ROOT}data/${key}`, data: bytesOf(data) })),
      textEntry('version', '3\n'),
      textEntry(METADATA_ENTRY, JSON.stringify(exported.metadata)),
    ]),
  );
  return [path];
}

interface StateEntry {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

/**
 * Tensors under torchvision's names: the positions of the modules in `features` and `classifier`, each of which is a
 * Sequential with one module per layer.
 */
function stateDict({ model: { network }, tensors }: ExportedModel): StateEntry[] {
  const classifier = network.layers.findIndex(({ name }) => name === 'fc6');
  return network.layers.flatMap((layer, index) => {
    if (layer.kind !== 'convolution') return [];
    const full = isFullyConnected(layer);
    const stem = full ? `classifier.${index - classifier}` : `features.${index}`;
    const { weight, bias } = weightAndBias(layer, tensors, full);
    return [
      { name: `${stem}.weight`, ...weight },
      { name: `${stem}.bias`, ...bias },
    ];
  });
}

/**
 * The pickle (protocol 2) of an OrderedDict of float32 tensors, each a whole storage whose key is its number. It uses
 * only names that `torch.load(weights_only=True)` allows.
 */
function pickleStateDict(entries: readonly StateEntry[]): Uint8Array {
  const tensors = entries.map(({ name, shape }, key) => {
    const count = int(elementCount(shape));
    const storage = tuple(
      text('storage'),
      global('torch', 'FloatStorage'),
      text(String(key)),
      text('cpu'),
      count,
    );
    const strides = shape.map((_, axis) => int(elementCount(shape.slice(axis + 1))));
    const view = [`${storage}Q`, int(0), tuple(...shape.map(int)), tuple(...strides)];
    // NEWFALSE: requires_grad. The dictionary is for hooks.
    const args = tuple(...view, '\x89', ORDERED_DICT);
    return `${text(name)}${global('torch._utils', '_rebuild_tensor_v2')}${args}R`;
  });
  // PROTO 2, the dictionary, MARK, its items, SETITEMS, STOP.
  return Buffer.from(`\x80\x02${ORDERED_DICT}(${tensors.join('')}u.`, 'latin1');
}

// Opcodes are single characters; a pickle is a string of them and their arguments with one byte per character.

/** GLOBAL */
const global = (module: string, name: string) => `c${module}\n${name}\n`;
/** MARK, the items, TUPLE */
const tuple = (...items: readonly string[]) => `(${items.join('')}t`;
/** BININT */
const int = (value: number) => `J${uint32(value)}`;
/** BINUNICODE */
const text = (value: string) =>
  `X${uint32(Buffer.byteLength(value))}${Buffer.from(value).toString('latin1')}`;
/** GLOBAL, EMPTY_TUPLE, REDUCE */
const ORDERED_DICT = `${global('collections', 'OrderedDict')})R`;

function uint32(value: number): string {
  return Buffer.from(Uint32Array.of(value).buffer).toString('latin1');
}
