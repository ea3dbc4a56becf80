/**
 * The facts that travel with a model's weights, as safetensors metadata: one key a fact, each value JSON.
 *
 * | key | value |
 * |---|---|
 * | `verydeep.format` | `1` |
 * | `verydeep.network` | `{"configuration", "classes", "crop", "width", "pooling", "dropout"}`: what `buildNetwork` takes |
 * | `verydeep.part` | `"features"` where the network has its convolutions only; its `classes` are then 0 |
 * | `verydeep.classes` | identifiers in label order |
 * | `verydeep.labels` | names for people, in label order |
 * | `verydeep.meanRgb` | `[r, g, b]`, 0–255, subtracted from every pixel |
 * | `verydeep.trainScale` | `{"min", "max"}`: smaller side S in training, where there was training |
 * | `verydeep.provenance` | object of strings: who made it, how and from what |
 * | `verydeep.license` | string, where one is known |
 */
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import type { TrainScale } from '../../core/scale.ts';
import { type ConfigurationName, configurationNames } from '../../net/configurations.ts';
import { buildNetwork, type Network } from '../../net/network.ts';
import { featuresOnly, hasFeaturesOnly } from './features-only.ts';

/** All that is known of a model besides its weights. */
export interface ModelFacts {
  readonly network: Network;
  /** Identifiers in label order: folder names, synsets, digits. */
  readonly classes: readonly string[];
  /** Names for people, in label order. */
  readonly labels: readonly string[];
  /** 0–255. The network takes RGB, 0–255, minus this mean: there is no other convention inside. */
  readonly meanRgb: readonly [red: number, green: number, blue: number];
  /** Smaller side S that training images were rescaled to. */
  readonly trainScale?: TrainScale;
  /** For example createdBy, seed, recipe, iteration, data. */
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
  }),
  part: z.literal('features'),
  classes: z.array(z.string()),
  labels: z.array(z.string()),
  meanRgb: z.tuple([z.number(), z.number(), z.number()]),
  trainScale: z
    .strictObject({ min: z.int().positive(), max: z.int().positive() })
    .refine(({ min, max }) => min <= max, 'min is above max'),
  provenance: z.record(z.string(), z.string()),
  license: z.string(),
};
type Key = keyof typeof schemas;
type Fact<K extends Key> = z.infer<(typeof schemas)[K]>;

/** The metadata that `parseModelMetadata` reads. */
export function modelMetadata(facts: ModelFacts): Record<string, string> {
  const { configuration, classes, crop, width, pooling, dropout } = facts.network;
  const values: Partial<Record<Key, unknown>> = {
    format: FORMAT,
    network: { configuration, classes, crop, width, pooling, dropout },
    part: hasFeaturesOnly(facts.network) ? 'features' : undefined,
    classes: facts.classes,
    labels: facts.labels,
    meanRgb: facts.meanRgb,
    trainScale: facts.trainScale,
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
 * @throws UserError naming `path`, the key, and what is wrong or missing.
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
    ...(has(metadata, 'license') && { license: read('license') }),
  };
  checkCounts(path, facts);
  return facts;
}

const requiredKeys = ['format', 'network', 'classes', 'labels', 'meanRgb', 'provenance'] as const;

function has(metadata: Readonly<Record<string, string>>, key: Key): boolean {
  return Object.hasOwn(metadata, PREFIX + key);
}

/** A file without the facts is refused: preprocessing guessed in silence gives wrong answers in silence. */
function checkComplete(path: string, metadata: Readonly<Record<string, string>>): void {
  const missing = requiredKeys.filter((key) => !has(metadata, key));
  if (missing.length === 0) return;
  const keys = missing.map((key) => PREFIX + key).join(', ');
  throw new UserError(
    missing.length === requiredKeys.length
      ? `${path} was not written by verydeep: it lacks the metadata ${keys}; convert it with \`vgg convert\`, which asks for what is missing`
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
      `${where} is ${JSON.stringify(value)}, and this version reads ${FORMAT}; use the version of verydeep that wrote it, or a newer one`,
    );
  }
  const result = schemas[key].safeParse(value);
  if (result.success) return result.data as Fact<K>;
  const issue = result.error.issues[0]!;
  const place = issue.path.length > 0 ? ` at ${issue.path.join('.')}` : '';
  throw new UserError(`${where} is wrong${place}: ${issue.message}; write the model again`);
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

/** @throws UserError unless there is one identifier and one label a class, and no identifier twice. */
export function checkCounts(path: string, { network, classes, labels }: ModelFacts): void {
  for (const [key, list] of Object.entries({ classes, labels })) {
    if (list.length !== network.classes) {
      throw new UserError(
        `${path}: metadata ${PREFIX}${key} has ${list.length} entries, but the network has ${network.classes} classes; give one for each`,
      );
    }
  }
  const seen = new Set<string>();
  const twice = classes.find((id) => seen.size === seen.add(id).size);
  if (twice !== undefined) {
    throw new UserError(
      `${path}: metadata ${PREFIX}classes has ${JSON.stringify(twice)} twice; classes need different identifiers`,
    );
  }
}
