import { RandomAccessFile } from '../../../core/random-access-file.ts';
import { elementCount } from '../../../core/shape.ts';
import { unreadable } from '../../import/errors.ts';
import { isReadable } from '../../tensors/element-types.ts';
import { type SourceTensor, streamElements } from '../../tensors/source-tensor.ts';
import type { WeightFile } from '../weight-file.ts';
import { readHeader } from './safetensors.ts';

/** Opens a safetensors file with whatever names. @throws UserError when the file breaks the format. */
export async function openSafetensors(path: string): Promise<WeightFile> {
  const file = await RandomAccessFile.open(path);
  try {
    const { entries, metadata, dataOffset } = await readHeader(path, file);
    const tensors = entries.map(
      ({ name, type, shape, start }): SourceTensor => ({
        name,
        type,
        shape,
        async read(visit) {
          if (!isReadable(type)) throw unreadable(path, name, type);
          await streamElements(file, dataOffset + start, elementCount(shape), type, visit);
        },
      }),
    );
    return {
      path,
      format: 'safetensors',
      description: 'safetensors',
      bytes: file.size,
      tensors,
      metadata,
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
