import type { ForeignNetwork } from '../import/foreign-network.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';

/** What a format's reader finds in a file. The tensors' values are still on the disk. */
export interface WeightContent {
  /** For people: `PyTorch, zip archive`. */
  readonly description: string;
  readonly tensors: readonly SourceTensor[];
  /** Facts that verydeep wrote into the file, under the keys of a model file's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * The network, where the format describes how its tensors are connected. Undefined where only names do, which
   * src/weights/import/naming-schemes.ts reads.
   * @throws UserError where the description is not that of a VGG network.
   */
  readonly network?: () => ForeignNetwork;
  /** Bytes in files beside this one: ONNX's external data. */
  readonly externalBytes?: number;
  /** Closes what the reader opened beside the file. */
  close?(): Promise<void>;
}

/** The facts that verydeep wrote into a file of another format as JSON, or undefined where the JSON is damaged. */
export function parseFacts(json: string): Record<string, string> | undefined {
  try {
    const facts = JSON.parse(json) as unknown;
    if (typeof facts !== 'object' || facts === null || Array.isArray(facts)) return undefined;
    return Object.values(facts).every((fact) => typeof fact === 'string')
      ? (facts as Record<string, string>)
      : undefined;
  } catch {
    return undefined;
  }
}
