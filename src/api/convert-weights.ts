import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { UsageError } from '../core/errors.ts';
import type { Layer } from '../core/layer.ts';
import type { Shape4 } from '../core/shape.ts';
import { imagePlanes } from '../data/pixels/crop.ts';
import type { RgbImage } from '../data/sources/image-source.ts';
import type { EngineOptions } from '../evaluate/inference/load-model.ts';
import type { Backend, Parameters } from '../kernels/backend.ts';
import { fillParameters } from '../kernels/canonical-parameters.ts';
import { openBackend } from '../kernels/registry.ts';
import { describeHead, type Network, parameterCount } from '../net/network.ts';
import type { WriteOptions } from '../weights/export/exported-model.ts';
import { type WriteReport, writableFormat, writeWeights } from '../weights/export/write-weights.ts';
import { modelChecksum } from '../weights/formats/model-files.ts';
import type { ImportReport } from '../weights/import/import-report.ts';
import type { ModelFacts } from '../weights/model/metadata.ts';
import type { Model } from '../weights/model/model.ts';
import { type ReadModelOptions, readModelWithReport } from '../weights/model/read-model.ts';
import { bytesOf } from '../weights/tensors/element-types.ts';

export interface ConvertOptions extends EngineOptions {
  /** A weight file of any format. */
  readonly input: string;
  /** The file to write; its extension chooses the format. */
  readonly output: string;
  /** Facts that the input lacks, such as preprocessing and class names (default: none). */
  readonly read?: ReadModelOptions;
  /** How to write the output (default: the format's own preprocessing convention). */
  readonly write?: WriteOptions;
  /** Whether to run the network and read the written file back (default true). */
  readonly check?: boolean;
  /** Called as work proceeds; `done` and `total` are bytes while reading. */
  readonly onProgress?: (stage: ConvertStage, done: number, total: number) => void;
}

export type ConvertStage = 'reading' | 'checking' | 'writing' | 'reading back';

/** The network's output for the synthetic image, and whether the written file gives the same output. */
export interface Parity {
  /** Side of the image in pixels: the crop, or 64 if that is smaller and the network pools before its classifier. */
  readonly side: number;
  /** Logits, or pool5 of a network without a classifier, as imported. */
  readonly output: Float32Array;
  /** Tensors whose bits changed between the input and the written file. */
  readonly changed: readonly string[];
  /** The largest resulting difference in the output. */
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
    /** Pooling and layers of a classifier that is not that of Table 1: `global average pooling, FC-10`. */
    readonly head?: string;
  };
  /** Undefined if the input is in our own format. */
  readonly report?: ImportReport;
  readonly written: WriteReport;
  readonly output: FileFacts;
  /** Undefined without `check`. */
  readonly parity?: Parity;
}

/**
 * Converts a weight file: reads it, runs the network, writes the other format, and reads the result back to compare
 * every weight bit for bit. Memory peaks at the weights once, plus one layer's working memory.
 *
 * @example
 * const { parity } = await convertModel({ input: 'torchvision/vgg16', output: 'vgg-d.safetensors' });
 * if (parity!.changed.length > 0) throw new Error('the conversion changed weights');
 *
 * @throws UsageError when input and output are the same file, or the output's extension is not that of a format that can
 *   be written.
 * @throws UserError when the input cannot be read, lacks facts that `read` must supply (preprocessing), or the output
 *   cannot be written.
 */
export async function convertModel(options: ConvertOptions): Promise<ConvertResult> {
  const { input, output, check = true, onProgress = () => {} } = options;
  checkPaths(options);
  const engine = check
    ? new Engine(await openBackend(options.backend, { threads: options.threads }))
    : undefined;
  const facts = await factsOf(input);
  try {
    const { model, report } = await readInput(options, facts, engine);
    onProgress('checking', 0, 1);
    const answer = await engine?.run(model);
    onProgress('writing', 0, 1);
    const written = await writeWeights(output, model, options.write);
    const parity = answer && (await readBack(output, engine!, model, answer, onProgress));
    const { configuration, classes, crop, width } = model.network;
    const parameters = parameterCount(model.network);
    const network = { configuration, classes, crop, width, parameters, head: describeHead(model.network) };
    return { input: facts, network, report, written, output: await factsOf(output), parity };
  } finally {
    engine?.close();
  }
}

/** Runs a network whose weights were read into the backend's memory, since there may be no room for them twice. */
class Engine {
  readonly #backend: Backend;
  #parameters: Parameters | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  placesFor({ parameters: specs }: Network): (name: string) => Float32Array | undefined {
    const parameters = this.#backend.createParameters(specs, { training: false });
    this.#parameters = parameters;
    return (name) => parameters.place(name);
  }

  async run(model: Model): Promise<Float32Array> {
    await fillParameters(this.#parameters!, model.tensors);
    return syntheticOutput(this.#backend, this.#parameters!, model);
  }

  close(): void {
    this.#parameters?.dispose();
  }
}

/**
 * The network's output for the synthetic image, which can be compared with any framework's: logits, or
 * pool5 without a classifier. Compiled convolution by convolution, because a backend may hold a transformed copy of a
 * convolution's weights, four times their size, for as long as its program exists.
 */
export async function syntheticOutput(
  backend: Backend,
  parameters: Parameters,
  { network, meanRgb }: ModelFacts,
  side = paritySide(network),
): Promise<Float32Array> {
  let values = imagePlanes(syntheticImage(side), meanRgb);
  let inputShape: Shape4 = [1, 3, side, side];
  for (const layers of convolutionsWithFollowers(network.layers)) {
    const program = await backend.compile({ layers, inputShape, parameters });
    try {
      values = await program.forward(values);
      inputShape = program.outputShape;
    } finally {
      program.dispose();
    }
  }
  return values;
}

/** Side of the synthetic image. A pooling before the classifier changes nothing in a map of one value. */
function paritySide({ crop, headPool }: Network): number {
  return headPool ? Math.max(crop, 64) : crop;
}

function convolutionsWithFollowers(layers: readonly Layer[]): Layer[][] {
  const steps: Layer[][] = [];
  for (const layer of layers) {
    if (layer.kind === 'convolution') steps.push([layer]);
    else steps.at(-1)!.push(layer);
  }
  return steps;
}

/** Red, green and blue of a pixel: (37 c + 7 y + 13 x + (x · y mod 251)) mod 256, c from 0 to 2. */
function syntheticImage(side: number): RgbImage {
  const pixels = new Uint8Array(3 * side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      for (let c = 0; c < 3; c++) {
        pixels[(y * side + x) * 3 + c] = (37 * c + 7 * y + 13 * x + ((x * y) % 251)) % 256;
      }
    }
  }
  return { width: side, height: side, pixels };
}

async function readInput(options: ConvertOptions, { sha256 }: FileFacts, engine: Engine | undefined) {
  const { input, read, onProgress } = options;
  const { model, report } = await readModelWithReport(input, {
    ...read,
    allowFeatures: true,
    replacePreprocessing: true,
    placesFor: engine && ((network) => engine.placesFor(network)),
    onProgress: (done, total) => onProgress?.('reading', done, total),
  });
  if (!report || report.own) return { model, report };
  return { model: { ...model, provenance: { ...model.provenance, sourceSha256: sha256 } }, report };
}

/**
 * Reads the written file back, into the arrays of the model that it was written from. The same bits give the same
 * output, so the network runs again only if they differ.
 */
async function readBack(
  path: string,
  engine: Engine,
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
  const after = changed.length === 0 ? before : await engine.run(back);
  const difference = before.reduce((most, value, i) => Math.max(most, Math.abs(value - after[i]!)), 0);
  return {
    side: paritySide(model.network),
    output: before,
    changed: changed.map(([name]) => name),
    difference,
  };
}

function digestsOf({ tensors }: Model): Map<string, string> {
  return new Map(
    [...tensors].map(([name, values]) => [name, createHash('sha256').update(bytesOf(values)).digest('hex')]),
  );
}

function checkPaths({ input, output }: ConvertOptions): void {
  writableFormat(output);
  if (resolve(input) === resolve(output)) {
    throw new UsageError(`${output} is also the input; choose another name for the output`);
  }
}

async function factsOf(path: string): Promise<FileFacts> {
  return { path, ...(await modelChecksum(path)) };
}
