import type { ForeignNetwork } from '../import/foreign-network.ts';
import type { Preprocessing } from '../import/preprocessing.ts';
import type { StatedOperations } from '../import/stated-operations.ts';
import type { ClassNames } from '../labels/class-names.ts';
import type { SourceTensor } from '../tensors/source-tensor.ts';

/** What a format's reader finds in a file, without reading the tensors' values. */
export interface WeightContent {
  /** Human-readable: `PyTorch, zip archive`. */
  readonly description: string;
  readonly tensors: readonly SourceTensor[];
  /** Facts that verydeep wrote into the file, under the keys of a model file's metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Returns the network if the format describes how its tensors are connected. Undefined if only the names do; then
   * src/weights/import/naming-schemes.ts recognizes it.
   * @throws UserError if the description is not that of a VGG network.
   */
  readonly network?: () => ForeignNetwork;
  /** What the network computes, if the file lists it without the order that `network` would need. */
  readonly operations?: StatedOperations;
  /** The preprocessing, if the file states it and `network` does not. */
  readonly preprocessing?: Preprocessing;
  /** The names of the outputs, in their order, if the file has them. */
  readonly classNames?: ClassNames;
  /** Bytes in accompanying files: ONNX's external data. */
  readonly externalBytes?: number;
  /** Closes the accompanying files that the reader opened. */
  close?(): Promise<void>;
}

/** Parses the facts that verydeep wrote as JSON into a file of another format. @returns undefined if damaged */
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
