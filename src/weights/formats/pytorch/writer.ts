/** Writes what `torch.load(path, weights_only=True)` reads and torchvision's `load_state_dict` takes. */
import { writeFileAtomically } from '../../../core/atomic-file.ts';
import type { Shape } from '../../../core/shape.ts';
import { type ZipContent, zipArchive } from '../../containers/zip/zip-writer.ts';
import type { ExportedModel } from '../../export/exported.ts';
import { bytesOf, isFullyConnected, matrixShape } from '../../export/layers.ts';
import { type PickledStateEntry, pickleStateDict } from './pickle-writer.ts';
import { METADATA_ENTRY } from './reader.ts';

/** Any name does; PyTorch takes the file's own. */
const ROOT = 'archive/';

/** @throws UserError when the file cannot be written. */
export async function writePytorch(path: string, exported: ExportedModel): Promise<void> {
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
}

interface StateEntry extends PickledStateEntry {
  readonly data: Float32Array;
}

/**
 * Tensors under torchvision's names: the places of the modules in `features` and `classifier`, each of which
 * is a Sequential of one module a layer.
 */
function stateDict({ model: { network }, tensors }: ExportedModel): StateEntry[] {
  const classifier = network.layers.findIndex(({ name }) => name === 'fc6');
  return network.layers.flatMap((layer, index) => {
    if (layer.kind !== 'convolution') return [];
    const full = isFullyConnected(layer);
    const stem = full ? `classifier.${index - classifier}` : `features.${index}`;
    const { name, outChannels, inChannels, kernel } = layer;
    const shape: Shape = full ? matrixShape(layer) : [outChannels, inChannels, kernel, kernel];
    return [
      { name: `${stem}.weight`, shape, data: tensors.get(`${name}.weight`)! },
      { name: `${stem}.bias`, shape: [outChannels], data: tensors.get(`${name}.bias`)! },
    ];
  });
}
