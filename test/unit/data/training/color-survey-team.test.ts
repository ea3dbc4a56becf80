import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import type { ImageSource, StoredImage } from '../../../../src/data/sources/image-source.ts';
import { surveyImages } from '../../../../src/data/training/color-survey.ts';

import { pattern, sourceOf, temporaryFolder } from '../../../support/images.ts';
import { ascending, range } from '../../../support/lists.ts';
import { teamOf } from '../../../support/team.ts';

const text: StoredImage = { kind: 'encoded', bytes: Buffer.from('text') };

const surveyTogether = (source: ImageSource, folders: readonly string[]) =>
  Promise.all(
    teamOf(folders.length).map((team, i) => surveyImages(source, { team, cacheFolder: folders[i] })),
  );

describe('a survey by several processes', () => {
  it('equals the survey of one process, including bad images, and decodes each image once', async (t) => {
    const reads: number[] = [];
    const source = sourceOf(11, (index) => {
      reads.push(index);
      return index % 4 === 1 ? text : { kind: 'pixels', image: pattern(5 + index, 7, index) };
    });
    const alone = await surveyImages(source, { cacheFolder: await temporaryFolder(t) });
    reads.length = 0;
    const folders = await Promise.all([1, 2, 3].map(() => temporaryFolder(t)));
    const surveys = await surveyTogether(source, folders);
    assert.deepEqual(ascending(reads), range(11));
    for (const survey of surveys) assert.deepEqual(survey, alone);
  });

  it('comes from the cache of one process for all', async (t) => {
    const source = sourceOf(5, (index) => ({ kind: 'pixels', image: pattern(5 + index, 7, index) }));
    const remembering = await temporaryFolder(t);
    const first = await surveyImages(source, { cacheFolder: remembering });
    const folders = [await temporaryFolder(t), remembering];
    const surveys = await surveyTogether(source, folders);
    for (const survey of surveys) assert.deepEqual(survey, { ...first, cached: true });
  });
});
