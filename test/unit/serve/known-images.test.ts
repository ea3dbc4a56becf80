import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { openImages } from '../../../src/data/sources/open-images.ts';
import { folderWith, jpeg, png, toSharp } from '../../support/images.ts';
import { imageRequest, type Json, LABELS, PAGES, smallParts, smallServer } from './small-server.ts';

/** A server whose model has validation images: dark ones with a bright stripe, of each of its classes. */
async function serverWithImages(t: TestContext, perClass: number) {
  const files: Record<string, Buffer> = {};
  for (const [c, label] of LABELS.entries()) {
    for (let i = 0; i < perClass; i++) files[`${label}/${i}.png`] = await striped(4 * c + (i % 4));
  }
  const source = await openImages(await folderWith(t, files));
  const opened: string[] = [];
  const pages = {
    ...PAGES,
    validationImages: async (folder: string) => {
      opened.push(folder);
      return source;
    },
  };
  const models = [{ ...(await smallParts()), run: '/runs/a' }, await smallParts('other')];
  return { ...(await smallServer(t, { models, pages })), opened };
}

function striped(place: number): Promise<Buffer> {
  const pixels = new Uint8Array(3 * 48 * 48).fill(20);
  for (let y = 0; y < 48; y++) pixels.fill(230, 3 * (48 * y + place), 3 * (48 * y + place + 6));
  return toSharp({ width: 48, height: 48, pixels }).png().toBuffer();
}

const ask = (image: Buffer, query = '') => imageRequest(`/v1/familiarity${query}`, image);

describe('POST /v1/familiarity', () => {
  it('tells images that the model knows from foreign ones', async (t) => {
    const { json, opened } = await serverWithImages(t, 8);
    const like = await json(ask(await striped(9)));
    assert.deepEqual([like.compared, like.unlike], [40, false]);
    assert.equal(like.nearest, 'cat');
    const foreign = await json(ask(await jpeg(60, 48, 3)));
    assert.deepEqual([foreign.compared, foreign.unlike], [40, true]);
    assert.ok(foreign.distance > 1 && like.distance <= 1);
    assert.deepEqual(opened, ['/runs/a']);
  });

  it('knows nothing without validation images, with too few, and of a model without a run', async (t) => {
    const nothing = { compared: 0, unlike: false };
    const { json } = await serverWithImages(t, 2);
    assert.deepEqual(await json(ask(await png(48, 48))), nothing);
    assert.deepEqual(await json(ask(await png(48, 48), '?model=other')), nothing);
    const models = [{ ...(await smallParts()), run: '/runs/a' }];
    const gone = await smallServer(t, { models });
    assert.deepEqual(await gone.json(ask(await png(48, 48))), nothing);
  });
});

describe('GET /v1/samples', () => {
  it('has validation images of all classes, as PNG files', async (t) => {
    const { json } = await serverWithImages(t, 8);
    const { samples } = await json('/v1/samples');
    assert.equal(samples.length, 12);
    assert.deepEqual(
      samples.slice(0, 5).map(({ label }: Json) => label),
      [...LABELS],
    );
    const answer = await json(imageRequest('/v1/predict', Buffer.from(samples[0].image, 'base64')));
    assert.equal(answer.images[0].width, 48);
    assert.doesNotMatch(JSON.stringify(samples.map(({ name }: Json) => name)), /\//);
  });

  it('is empty without a run, and when its data is gone', async (t) => {
    const { json } = await serverWithImages(t, 8);
    assert.deepEqual(await json('/v1/samples?model=other'), { samples: [] });
    const models = [{ ...(await smallParts()), run: '/runs/a' }];
    const gone = await smallServer(t, { models });
    assert.deepEqual(await gone.json('/v1/samples'), { samples: [] });
  });
});
