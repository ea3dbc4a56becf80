/** The names that models have besides the paths of files: torchvision/vgg16, hf:timm/vgg16.tv_in1k, https://…. */
import { createHash } from 'node:crypto';
import { UsageError } from '../../core/errors.ts';
import { isSafePath } from '../../core/paths.ts';
import { type TorchvisionName, torchvisionNames } from './torchvision.ts';

export type ModelName =
  | { readonly kind: 'torchvision'; readonly name: TorchvisionName }
  | { readonly kind: 'hub'; readonly repository: string; readonly revision: string; readonly file?: string }
  | { readonly kind: 'address'; readonly url: string };

const PART = /^[\w-][\w.-]*$/;

/**
 * Parses a name.
 * @returns undefined for the path of a file
 * @throws UsageError when it starts like a name but is not valid.
 */
export function parseModelName(text: string): ModelName | undefined {
  if (/^https?:\/\//i.test(text)) return { kind: 'address', url: text };
  if (text.startsWith('hf:')) return parseHubName(text);
  const own = /^torchvision\/([^/.]+)$/.exec(text)?.[1];
  if (own === undefined) return undefined;
  const name = torchvisionNames.find((known) => known === own);
  if (name) return { kind: 'torchvision', name };
  throw new UsageError(
    `${text} is not a model of torchvision that verydeep reads; the names are torchvision/${torchvisionNames.join(', torchvision/')} (for a file of that path: ./${text})`,
  );
}

function parseHubName(text: string): ModelName {
  const [, owner, name, revision = 'main', file] =
    /^hf:([^/@:]+)\/([^/@:]+)(?:@([^:]+))?(?::(.+))?$/.exec(text) ?? [];
  const isValid =
    owner !== undefined &&
    name !== undefined &&
    [owner, name, ...revision.split('/')].every(isSafePart) &&
    (file === undefined || isSafePath(file));
  if (!isValid) {
    throw new UsageError(
      `${text} is not the name of a model on the Hugging Face hub; write hf:OWNER/REPOSITORY, with @REVISION and :FILE if needed`,
    );
  }
  return { kind: 'hub', repository: `${owner}/${name}`, revision, file };
}

function isSafePart(part: string): boolean {
  return PART.test(part) && !part.includes('..');
}

/** The folder that a model is downloaded into, by one process at a time: the parts of its path in the folder of models. */
export function downloadFolder(name: ModelName): readonly string[] {
  if (name.kind === 'torchvision') return ['torchvision', name.name];
  if (name.kind === 'hub') return ['hf', ...name.repository.split('/')];
  return ['address', createHash('sha256').update(name.url).digest('hex').slice(0, 16)];
}
