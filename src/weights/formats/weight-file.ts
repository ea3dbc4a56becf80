import type { ForeignNetwork } from '../import/network.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';

export const formatNames = ['safetensors', 'pytorch', 'onnx', 'caffe', 'keras'] as const;
export type FormatName = (typeof formatNames)[number];

/** A weight file that is open: what is in it is known, its tensors are still on the disk. */
export interface WeightFile {
  readonly path: string;
  readonly format: FormatName;
  /** For people: `PyTorch, zip archive`. */
  readonly description: string;
  /** Bytes in all, those beside the file (ONNX's external data) too. */
  readonly bytes: number;
  readonly tensors: readonly SourceTensor[];
  /** Facts that verydeep wrote into it, under the keys of a model file's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The network, where the format says how its tensors hang together. Undefined where only names do, which
   * src/weights/import/names.ts reads.
   * @throws UserError where what the file describes is no VGG network.
   */
  readonly network?: () => ForeignNetwork;
  close(): Promise<void>;
}
