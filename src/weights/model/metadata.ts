/**
 * The facts stored with a model's weights as safetensors metadata: one key per fact, each value JSON.
 *
 * | key | value |
 * |---|---|
 * | `verydeep.format` | `1` |
 * | `verydeep.network` | `{"configuration", "classes", "crop", "width", "pooling", "dropout"}`: the options of `buildNetwork`; `"hidden"` and `"headPool"` only if the classifier is not that of Table 1, `"boxes"` (`single` or `per-class`) only if the last layer predicts boxes |
 * | `verydeep.part` | `"features"` if the network has convolutions only; its `classes` are then 0 |
 * | `verydeep.classes` | identifiers in label order |
 * | `verydeep.labels` | human-readable names, in label order |
 * | `verydeep.meanRgb` | `[r, g, b]`, 0–255, subtracted from every pixel |
 * | `verydeep.trainScale` | `{"min", "max"}`: smaller side S in training; absent in models that were not trained here |
 * | `verydeep.colorProfiles` | `ignore` or `convert`: what happens to the images' color profiles; absent in files of version 0.2 and earlier, which converted them in training |
 * | `verydeep.validation` | `{"split", "images", "trainedOn"}`: what a training validated on: `val`, `test`, or `held-out` training images; then `trainedOn` has the fingerprints of the other ones (base64); absent in models that were not trained here |
 * | `verydeep.publishedTest` | `{"scale", "protocol", "rounding"}`: how the makers of published weights test them |
 * | `verydeep.provenance` | object of strings: maker, method, source |
 * | `verydeep.license` | string, if known |
 */
import { z } from 'zod';
import { regressions } from '../../core/boxes.ts';
import { UserError } from '../../core/errors.ts';
import {
  type ColorProfiles,
  colorProfileModes,
  type PublishedTest,
  roundings,
} from '../../core/image-preparation.ts';
import type { TrainScale } from '../../core/scale.ts';
import { type ConfigurationName, configurationNames } from '../../net/configurations.ts';
import {
  buildNetwork,
  featuresOnly,
  hasFeaturesOnly,
  hasUsualHead,
  type Network,
} from '../../net/network.ts';

/** The images that a training validated on. */
const validationRecord = z.strictObject({
  /** A split of the data set, or `held-out`: a part of the training images. */
  split: z.enum(['val', 'test', 'held-out']),
  /** Number of images. */
  images: z.int().positive(),
  /** With `held-out`: fingerprints of the images that were trained on, see data/sources/image-fingerprints.ts. */
  trainedOn: z.base64().optional(),
});
export type ValidationRecord = Readonly<z.infer<typeof validationRecord>>;

/** Facts about a model besides its weights. */
export interface ModelFacts {
  readonly network: Network;
  /** Identifiers in label order: folder names, synsets, digits. */
  readonly classes: readonly string[];
  /** Human-readable names, in label order. */
  readonly labels: readonly string[];
  /** 0–255. The network takes RGB, 0–255, minus this mean: the only convention inside verydeep. */
  readonly meanRgb: readonly [red: number, green: number, blue: number];
  /** Smaller side S that training images were rescaled to, in pixels. */
  readonly trainScale?: TrainScale;
  /** What happens to embedded color profiles of images (default `ignore`). */
  readonly colorProfiles?: ColorProfiles;
  /** How the makers of published weights test them (default: as in the paper). */
  readonly publishedTest?: PublishedTest;
  /** The images that training validated on; absent in models of older versions, too. */
  readonly validation?: ValidationRecord;
  /** For example createdBy, recipe, data; without folders of the machine that trained it. */
  readonly provenance: Readonly<Record<string, string>>;
  readonly license?: string;
}

const PREFIX = 'verydeep.';
const FORMAT = 1;

const schemas = {
  format: z.literal(FORMAT),
  network: z.strictObject({
    configuration: z.enum(configurationNames as [ConfigurationName, ...ConfigurationName[]]),
    classes: z.int(),
    crop: z.int(),
    width: z.number(),
    pooling: z.enum(['floor', 'ceil']),
    dropout: z.number(),
    hidden: z.array(z.int()).optional(),
    headPool: z.strictObject({ method: z.enum(['average', 'max']), side: z.int() }).optional(),
    boxes: z.enum(regressions).optional(),
  }),
  part: z.literal('features'),
  classes: z.array(z.string()),
  labels: z.array(z.string()),
  meanRgb: z.tuple([z.number(), z.number(), z.number()]),
  trainScale: z
    .strictObject({ min: z.int().positive(), max: z.int().positive() })
    .refine(({ min, max }) => min <= max, 'min is above max'),
  colorProfiles: z.enum(colorProfileModes),
  publishedTest: z.strictObject({
    scale: z.int().positive(),
    protocol: z.enum(['center', 'dense']),
    rounding: z.enum(roundings),
  }),
  validation: validationRecord,
  provenance: z.record(z.string(), z.string()),
  license: z.string(),
};
type Key = keyof typeof schemas;
type Fact<K extends Key> = z.infer<(typeof schemas)[K]>;

/** A model's facts as metadata, which `parseModelMetadata` reads. */
export function modelMetadata(facts: ModelFacts): Record<string, string> {
  const { configuration, classes, crop, width, pooling, dropout, hidden, headPool, boxes } = facts.network;
  const head = hasUsualHead(facts.network) ? {} : { hidden, headPool };
  const values: Partial<Record<Key, unknown>> = {
    format: FORMAT,
    network: { configuration, classes, crop, width, pooling, dropout, ...head, boxes },
    part: hasFeaturesOnly(facts.network) ? 'features' : undefined,
    classes: facts.classes,
    labels: facts.labels,
    meanRgb: facts.meanRgb,
    trainScale: facts.trainScale,
    colorProfiles: facts.colorProfiles ?? 'ignore',
    publishedTest: facts.publishedTest,
    validation: facts.validation,
    provenance: facts.provenance,
    license: facts.license,
  };
  return Object.fromEntries(
    Object.entries(values)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [PREFIX + key, JSON.stringify(value)]),
  );
}

/**
 * Reads a model's facts; other metadata is ignored.
 * @throws UserError naming `path`, the key, and the fault.
 */
export function parseModelMetadata(path: string, metadata: Readonly<Record<string, string>>): ModelFacts {
  checkComplete(path, metadata);
  const read = <K extends Key>(key: K): Fact<K> => parseFact(path, metadata, key);
  read('format');
  const part = has(metadata, 'part') ? read('part') : undefined;
  const facts = {
    network: networkOf(path, read('network'), part),
    classes: read('classes'),
    labels: read('labels'),
    meanRgb: read('meanRgb'),
    provenance: read('provenance'),
    ...(has(metadata, 'trainScale') && { trainScale: read('trainScale') }),
    ...(has(metadata, 'publishedTest') && { publishedTest: read('publishedTest') }),
    colorProfiles: has(metadata, 'colorProfiles') ? read('colorProfiles') : formerColorProfiles(metadata),
    ...(has(metadata, 'validation') && { validation: read('validation') }),
    ...(has(metadata, 'license') && { license: read('license') }),
  };
  checkCounts(path, facts);
  return facts;
}

/** Version 0.2 applied profiles in training. Its models without a training scale came from publishers, who ignored them. */
function formerColorProfiles(metadata: Readonly<Record<string, string>>): ColorProfiles {
  return has(metadata, 'trainScale') ? 'convert' : 'ignore';
}

const requiredKeys = ['format', 'network', 'classes', 'labels', 'meanRgb', 'provenance'] as const;

function has(metadata: Readonly<Record<string, string>>, key: Key): boolean {
  return Object.hasOwn(metadata, PREFIX + key);
}

/** Rejects a file without the facts: guessed preprocessing would silently give wrong answers. */
function checkComplete(path: string, metadata: Readonly<Record<string, string>>): void {
  const missing = requiredKeys.filter((key) => !has(metadata, key));
  if (missing.length === 0) return;
  const keys = missing.map((key) => PREFIX + key).join(', ');
  throw new UserError(
    missing.length === requiredKeys.length
      ? `${path} was not written by verydeep: it lacks the metadata ${keys}; convert it with \`vgg convert\`, which reports what is missing`
      : `${path} lacks the metadata ${keys}; write the model again`,
  );
}

function parseFact<K extends Key>(path: string, metadata: Readonly<Record<string, string>>, key: K): Fact<K> {
  const where = `${path}: metadata ${PREFIX}${key}`;
  let value: unknown;
  try {
    value = JSON.parse(metadata[PREFIX + key]!);
  } catch {
    throw new UserError(`${where} is not JSON; write the model again`);
  }
  if (key === 'format' && value !== FORMAT) {
    throw new UserError(
      `${where} is ${JSON.stringify(value)}, but this version reads only ${FORMAT}; use the version of verydeep that wrote the file, or a newer one`,
    );
  }
  const result = schemas[key].safeParse(value);
  if (result.success) return result.data as Fact<K>;
  const issue = result.error.issues[0]!;
  const place = issue.path.length > 0 ? ` at ${issue.path.join('.')}` : '';
  throw new UserError(`${where} is not valid${place}: ${issue.message}; write the model again`);
}

function networkOf(path: string, options: Fact<'network'>, part: Fact<'part'> | undefined): Network {
  try {
    if (part === 'features') return featuresOnly(buildNetwork({ ...options, classes: 1000 }));
    return buildNetwork(options);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: metadata ${PREFIX}network: ${error.message}`, { cause: error });
  }
}

/** Four numbers of a box must not be taken for class scores. @throws UserError for a network that predicts boxes */
export function checkPredictsClasses(path: string, { network }: Pick<ModelFacts, 'network'>): void {
  if (!network.boxes) return;
  throw new UserError(
    `${path} predicts boxes, not classes; use it with --task localize (vgg evaluate, vgg train) or --localizer (vgg predict, vgg serve), beside a classification model`,
  );
}

/** @throws UserError unless each class has one identifier and one label, and identifiers differ. */
export function checkCounts(path: string, { network, classes, labels }: ModelFacts): void {
  for (const [key, list] of Object.entries({ classes, labels })) {
    if (list.length !== network.classes) {
      throw new UserError(
        `${path}: metadata ${PREFIX}${key} has ${list.length} entries, but the network has ${network.classes} classes; give one per class`,
      );
    }
  }
  const seen = new Set<string>();
  const duplicate = classes.find((id) => seen.size === seen.add(id).size);
  if (duplicate !== undefined) {
    throw new UserError(
      `${path}: metadata ${PREFIX}classes has a duplicate, ${JSON.stringify(duplicate)}; each class needs its own identifier`,
    );
  }
}
