/**
 * What the JSON files beside weights on the Hugging Face hub say about classes and preprocessing: `config.json` of
 * Transformers (`id2label`) or timm (`label_names`, `pretrained_cfg`), and Transformers' `preprocessor_config.json`.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { Preprocessing } from '../import/preprocessing.ts';
import type { ClassNames } from './class-names.ts';

/** The usual names of weights on the hub, in the order of preference. */
export const HUB_FILES = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];
export const DESCRIPTIONS = ['config.json', 'preprocessor_config.json'] as const;

export interface HubFacts {
  readonly classNames?: ClassNames;
  readonly preprocessing?: Preprocessing;
}

const LARGEST = 16 * 2 ** 20;
const triple = z.tuple([z.number(), z.number(), z.number()]).readonly();
const positive = z.tuple([z.number().positive(), z.number().positive(), z.number().positive()]).readonly();
const input = z.object({ mean: triple, std: positive });
const configSchema = z.object({
  id2label: z.record(z.string(), z.string()).optional().catch(undefined),
  label_names: z.array(z.string()).optional().catch(undefined),
  label_descriptions: z.record(z.string(), z.string()).optional().catch(undefined),
  pretrained_cfg: input.optional().catch(undefined),
});
const preprocessorSchema = z.object({
  image_mean: triple,
  image_std: positive,
  rescale_factor: z
    .number()
    .positive()
    .default(1 / 255),
  do_rescale: z.boolean().default(true),
  do_normalize: z.boolean().default(true),
});

/**
 * The facts for a weight file: only under the hub's usual names, or in the folder of a commit, since other programs
 * call their files config.json, too. Files that are damaged or of another kind count as absent.
 */
export async function readHubFacts(path: string): Promise<HubFacts> {
  const folder = dirname(path);
  if (!HUB_FILES.includes(basename(path)) && !/[\\/][0-9a-f]{40}([\\/]|$)/.test(folder)) return {};
  const [config, preprocessor] = await Promise.all(DESCRIPTIONS.map((name) => readJson(join(folder, name))));
  const facts = configSchema.safeParse(config).data;
  return {
    classNames: facts && classNamesOf(facts),
    preprocessing: preprocessingOf(facts?.pretrained_cfg, preprocessorSchema.safeParse(preprocessor).data),
  };
}

async function readJson(path: string): Promise<unknown> {
  try {
    if ((await stat(path)).size > LARGEST) return undefined;
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function classNamesOf(config: z.infer<typeof configSchema>): ClassNames | undefined {
  const { id2label, label_names: names, label_descriptions: descriptions } = config;
  if (names) return unlessRepeated(names, (name) => descriptions?.[name] ?? name);
  if (!id2label) return undefined;
  const count = Object.keys(id2label).length;
  const labels = Array.from({ length: count }, (_, index) => id2label[index]);
  // Transformers writes LABEL_0, LABEL_1, … when nobody named the classes.
  if (labels.some((label) => label === undefined || /^LABEL_\d+$/.test(label))) return undefined;
  return unlessRepeated(labels as string[], (label) => label);
}

function unlessRepeated(
  classes: readonly string[],
  labelOf: (name: string) => string,
): ClassNames | undefined {
  return new Set(classes).size === classes.length ? { classes, labels: classes.map(labelOf) } : undefined;
}

function preprocessingOf(
  timm: z.infer<typeof input> | undefined,
  transformers: z.infer<typeof preprocessorSchema> | undefined,
): Preprocessing | undefined {
  if (timm) return { channelOrder: 'rgb', scale: 1 / 255, ...timm };
  if (!transformers) return undefined;
  const { image_mean: mean, image_std: std, rescale_factor: factor } = transformers;
  const scale = transformers.do_rescale ? factor : 1;
  return transformers.do_normalize
    ? { channelOrder: 'rgb', scale, mean, std }
    : { channelOrder: 'rgb', scale, mean: [0, 0, 0], std: [1, 1, 1] };
}
