import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import { withFile } from '../core/random-access-file.ts';
import type { Backend } from '../kernels/backend.ts';
import { openBackend } from '../kernels/registry.ts';
import { parameterCount } from '../net/network.ts';
import {
  type WriteOptions,
  type WriteReport,
  writableFormat,
  writeWeights,
} from '../weights/export/write-weights.ts';
import type { ImportReport } from '../weights/import/import-model.ts';
import type { Model } from '../weights/model/model-file.ts';
import { type ReadModelOptions, readModelWithReport } from '../weights/model/read-model.ts';
import { parityOutput } from './convert-parity.ts';
import type { EngineOptions } from './load-model.ts';

export interface ConvertOptions extends EngineOptions {
  readonly input: string;
  readonly output: string;
  /** What the input does not say itself. */
  readonly read?: ReadModelOptions;
  /** What the output shall be. */
  readonly write?: WriteOptions;
  /** Whether to run the network and to read the written file back (default true). */
  readonly check?: boolean;
  readonly onProgress?: (stage: ConvertStage, done: number, total: number) => void;
}

export type ConvertStage = 'reading' | 'checking' | 'writing' | 'reading back';

/** What the network answers to the synthetic image of src/api/convert-parity.ts, and whether it still does. */
export interface Parity {
  /** Side of the image: the crop. */
  readonly side: number;
  /** Logits, or pool5 of a network without a classifier, as imported. */
  readonly output: Float32Array;
  /** Tensors that are not the same to the bit when the written file is read back. */
  readonly changed: readonly string[];
  /** The largest difference that they make to the answer. */
  readonly difference: number;
}

export interface FileFacts {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ConvertResult {
  readonly input: FileFacts;
  readonly network: {
    readonly configuration: string;
    readonly classes: number;
    readonly crop: number;
    readonly width: number;
    readonly parameters: number;
  };
  /** Undefined where the input is a file of our own format. */
  readonly report?: ImportReport;
  readonly written: WriteReport;
  readonly output: FileFacts;
  readonly parity?: Parity;
}

/**
 * Converts a weight file: reads it, asks the network, writes it in the other format, and reads that back to see
 * whether all is the same.
 * @throws UserError when the input cannot be read, does not say what it must, or the output cannot be written.
 */
export async function convertModel(options: ConvertOptions): Promise<ConvertResult> {
  const { input, output, check = true, onProgress = () => {} } = options;
  checkPaths(options);
  const backend = check ? await openBackend(options.backend, threadsOf(options)) : undefined;
  const facts = await factsOf(input);
  const first = await readAndWrite(options, facts, backend);
  const parity =
    first.answer && backend && (await readBack(output, backend, first.model, first.answer, onProgress));
  const { report, network, written } = first;
  return {
    input: facts,
    network,
    report,
    written,
    output: await factsOf(output),
    parity,
  };
}

async function readAndWrite(options: ConvertOptions, input: FileFacts, backend: Backend | undefined) {
  const { onProgress = () => {} } = options;
  const { model: read, report } = await readModelWithReport(options.input, {
    ...options.read,
    allowFeatures: true,
    onProgress: (done, total) => onProgress('reading', done, total),
  });
  const model: Model =
    report && !report.own
      ? { ...read, provenance: { ...read.provenance, sourceSha256: input.sha256 } }
      : read;
  onProgress('checking', 0, 1);
  const answer = backend && (await parityOutput(backend, model));
  onProgress('writing', 0, 1);
  const written = await writeWeights(options.output, model, options.write);
  const { configuration, classes, crop, width } = model.network;
  const network = { configuration, classes, crop, width, parameters: parameterCount(model.network) };
  return { report, network, written, answer, model };
}

/**
 * Reads the written file back, into the arrays of the model that it was written from: there is no room for two.
 * The same bits give the same answer; only where they differ is the network asked again.
 */
async function readBack(
  path: string,
  backend: Backend,
  model: Model,
  before: Float32Array,
  onProgress: NonNullable<ConvertOptions['onProgress']>,
): Promise<Parity> {
  const digests = digestsOf(model);
  const { model: back } = await readModelWithReport(path, {
    allowFeatures: true,
    placesFor: () => (name) => model.tensors.get(name),
    onProgress: (done, total) => onProgress('reading back', done, total),
  });
  const changed = [...digestsOf(back)].filter(([name, digest]) => digests.get(name) !== digest);
  const after = changed.length === 0 ? before : await parityOutput(backend, back);
  const difference = before.reduce((most, value, i) => Math.max(most, Math.abs(value - after[i]!)), 0);
  return { side: model.network.crop, output: before, changed: changed.map(([name]) => name), difference };
}

function digestsOf({ tensors }: Model): Map<string, string> {
  return new Map(
    [...tensors].map(([name, { buffer, byteOffset, byteLength }]) => [
      name,
      createHash('sha256')
        .update(new Uint8Array(buffer, byteOffset, byteLength))
        .digest('hex'),
    ]),
  );
}

function checkPaths({ input, output }: ConvertOptions): void {
  writableFormat(output);
  if (resolve(input) === resolve(output)) {
    throw new UsageError(`${output} is the input too; name another file to write`);
  }
}

function threadsOf({ threads }: EngineOptions) {
  return threads === undefined ? {} : { threads };
}

async function factsOf(path: string): Promise<FileFacts> {
  return withFile(path, async (file) => {
    const hash = createHash('sha256');
    const chunk = Buffer.alloc(2 ** 20);
    for (let at = 0; at < file.size; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, file.size - at));
      await file.readInto(at, part);
      hash.update(part);
    }
    return { path, bytes: file.size, sha256: hash.digest('hex') };
  });
}
