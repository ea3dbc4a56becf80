import { openWeights } from '../weights/formats/formats.ts';
import { describeFile, type Inspection } from '../weights/import/describe-file.ts';
import type { ReadModelOptions } from '../weights/model/read-model.ts';
import { withTidyMessages } from '../weights/weight-errors.ts';

/**
 * Inspects a weight file without reading its tensors.
 *
 * @param options facts that the file lacks (default: none)
 *
 * @example
 * const { network, preprocessing, problem } = await inspectWeights('VGG_ILSVRC_16_layers.caffemodel');
 * console.log(network?.configuration, preprocessing, problem);
 *
 * @throws UserError when the file's format is unknown, or the file violates it.
 */
export function inspectWeights(path: string, options: ReadModelOptions = {}): Promise<Inspection> {
  return withTidyMessages(() => inspect(path, options));
}

async function inspect(name: string, options: ReadModelOptions): Promise<Inspection> {
  const file = await openWeights(name);
  try {
    return await describeFile(file, options);
  } finally {
    await file.close();
  }
}
