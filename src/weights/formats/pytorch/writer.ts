/** Writes what `torch.load(path, weights_only=True)` reads and torchvision's `load_state_dict` accepts. */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import { elementCount, type Shape } from '../../../core/shape.ts';
import { type ZipContent, zipArchive } from '../../containers/zip/zip-writer.ts';
import { type ExportedModel, isFullyConnected, weightAndBias } from '../../export/exported-model.ts';
import { bytesOf } from '../../tensors/element-types.ts';
import { METADATA_ENTRY } from './reader.ts';

/** PyTorch accepts any name; it uses the file's own. */
const ROOT = 'archive/';

/** @throws UserError when the file cannot be written. */
export async function writePytorch(path: string, exported: ExportedModel): Promise<readonly string[]> {
  const entries = stateDict(exported);
  const text = (name: string, content: string): ZipContent => ({
    name: ROOT + name,
    data: Buffer.from(content),
  });
  await writeFileAtomically(
    path,
    zipArchive([
      { name: `${ROOT}data.pkl`, data: pickleStateDict(entries) },
      text('byteorder', 'little'),
      ...entries.map(({ data }, key) => ({ name: `${ROOT}data/${key}`, data: bytesOf(data) })),
      text('version', '3\n'),
      text(METADATA_ENTRY, JSON.stringify(exported.metadata)),
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
  const out = new PickleBuilder();
  out.byte(0x80).byte(2);
  out.emptyOrderedDict().mark();
  for (const [key, { name, shape }] of entries.entries()) {
    out.text(name);
    out.global('torch._utils', '_rebuild_tensor_v2').mark();
    out.mark().text('storage').global('torch', 'FloatStorage').text(String(key)).text('cpu');
    out.int(elementCount(shape)).byte(TUPLE).byte(BINPERSID);
    out.int(0).ints(shape).ints(stridesOf(shape)).byte(NEWFALSE).emptyOrderedDict();
    out.byte(TUPLE).byte(REDUCE);
  }
  out.byte(SETITEMS).byte(STOP);
  return out.bytes();
}

const MARK = 0x28;
const TUPLE = 0x74;
const REDUCE = 0x52;
const SETITEMS = 0x75;
const BINPERSID = 0x51;
const NEWFALSE = 0x89;
const EMPTY_TUPLE = 0x29;
const GLOBAL = 0x63;
const BINUNICODE = 0x58;
const BININT = 0x4a;
const STOP = 0x2e;

function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

class PickleBuilder {
  readonly #parts: Buffer[] = [];

  byte(value: number): this {
    this.#parts.push(Buffer.of(value));
    return this;
  }

  mark(): this {
    return this.byte(MARK);
  }

  text(text: string): this {
    const bytes = Buffer.from(text);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    this.#parts.push(Buffer.of(BINUNICODE), length, bytes);
    return this;
  }

  int(value: number): this {
    const bytes = Buffer.alloc(5, BININT);
    bytes.writeInt32LE(value, 1);
    this.#parts.push(bytes);
    return this;
  }

  ints(values: readonly number[]): this {
    this.mark();
    for (const value of values) this.int(value);
    return this.byte(TUPLE);
  }

  global(module: string, name: string): this {
    this.#parts.push(Buffer.of(GLOBAL), Buffer.from(`${module}\n${name}\n`));
    return this;
  }

  emptyOrderedDict(): this {
    return this.global('collections', 'OrderedDict').byte(EMPTY_TUPLE).byte(REDUCE);
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#parts);
  }
}
