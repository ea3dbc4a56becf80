/** How images are prepared for several models, which share the decoded images. */
import { UserError } from '../../core/errors.ts';
import type { ColorProfiles, PublishedTest } from '../../core/image-preparation.ts';
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

/** How the makers of all the models test them; undefined if some have no such test, or they differ. */
export function sharedTest([first, ...others]: readonly Pick<ModelFacts, 'publishedTest'>[]):
  | PublishedTest
  | undefined {
  const test = first!.publishedTest;
  return others.every((other) => JSON.stringify(other.publishedTest) === JSON.stringify(test))
    ? test
    : undefined;
}

/** @returns undefined if nothing is done because weights are published */
export function testNote(path: string, { network, publishedTest }: ModelFacts): string | undefined {
  if (publishedTest?.protocol !== 'center') return undefined;
  return `${path} is tested as its publisher does: the center crop of ${network.crop} pixels at Q = ${publishedTest.scale}, without the mirror image; --protocol dense is the paper's test`;
}
