/** How images are prepared for several models, which share the decoded images. */
import { UserError } from '../../core/errors.ts';
import type { ColorProfiles } from '../../core/image-preparation.ts';
import type { ModelFacts } from '../../weights/model/metadata.ts';

/** A model's facts and its name in messages. */
type NamedFacts = Pick<ModelFacts, 'colorProfiles'> & { readonly path: string };

/** @throws UserError when the models treat color profiles differently. */
export function sharedColorProfiles([first, ...others]: readonly NamedFacts[]): ColorProfiles {
  const { path, colorProfiles = 'ignore' } = first!;
  const other = others.find((model) => (model.colorProfiles ?? 'ignore') !== colorProfiles);
  if (other === undefined) return colorProfiles;
  throw new UserError(
    `${path} was trained with --color-profiles ${colorProfiles}, ${other.path} with ${other.colorProfiles ?? 'ignore'}; choose one with --color-profiles`,
  );
}
