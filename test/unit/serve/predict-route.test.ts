import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { InjectOptions } from 'fastify';
import { prepareForEvaluation } from '../../../src/data/pixels/evaluation-images.ts';
import { defaultLimits } from '../../../src/serve/server.ts';
import { hugePng, jpeg, png, toSharp } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { ensembleOf, picture, smallModel } from '../evaluate/small-models.ts';
import { formRequest, imageRequest, LABELS, smallParts, smallServer } from './small-server.ts';

const pngOf = (...size: Parameters<typeof picture>): Promise<Buffer> =>
  toSharp(picture(...size))
    .png()
    .toBuffer();

describe('POST /v1/predict', () => {
  it('predicts the same as evaluation', async (t) => {
    const { json } = await smallServer(t);
    const bytes = await pngOf(60, 48);
    for (const [protocol, scales] of [
      ['dense', [40]],
      ['both', [40, 64]],
      ['center', [33]],
    ] as const) {
      const body = await json(imageRequest(`/v1/predict?protocol=${protocol}&scales=${scales}&top=2`, bytes));
      const ensemble = ensembleOf([await smallModel()], scales, { protocol });
      const prepared = await prepareForEvaluation({ kind: 'encoded', bytes }, 'x', scales);
      const classified = ensemble.classify(prepared);
      ensemble.flush();
      const { posteriors } = await classified;
      const [image] = body.images;
      assert.deepEqual(body.scales, scales);
      assert.deepEqual([image.width, image.height, image.top.length], [60, 48, 2]);
      const best = posteriors.indexOf(Math.max(...posteriors));
      assert.equal(image.top[0].index, best);
      assert.equal(image.top[0].label, LABELS[best]);
      // Results of other batch sizes may differ in the last bits.
      assert.ok(Math.abs(image.top[0].probability - posteriors[best]!) < 1e-6);
    }
  });

  it('takes JPEG under any name, PNG, WebP and AVIF, and bytes without a type', async (t) => {
    const { ask } = await smallServer(t);
    const webp = await toSharp(picture(50, 50)).webp().toBuffer();
    for (const [bytes, type] of [
      [await jpeg(50, 50), 'image/jpeg'],
      [await jpeg(50, 50), 'image/jpg'],
      [await jpeg(50, 50), 'image/pjpeg'],
      [await toSharp(picture(50, 50)).avif().toBuffer(), 'image/avif'],
      [await png(50, 50), 'image/png'],
      [webp, 'image/webp'],
      [webp, 'application/octet-stream'],
    ] as const) {
      assert.equal((await ask(imageRequest('/v1/predict', bytes, type))).status, 200, type);
    }
  });

  it('takes several images as a form, and names them', async (t) => {
    const { ask, json } = await smallServer(t);
    const files = { 'a.png': await pngOf(50, 40, 1), 'b.png': await pngOf(40, 70, 2) };
    const body = await json(formRequest('/v1/predict?top=1', files));
    assert.deepEqual(pluck(body.images, 'name'), ['a.png', 'b.png']);
    assert.deepEqual(pluck(body.images, 'width'), [50, 40]);
    assert.deepEqual(pluck(body.images, 'height'), [40, 70]);
    const alone = await ask(imageRequest('/v1/predict?top=1', files['b.png']));
    assert.equal(body.images[1].top[0].index, alone.body.images[0].top[0].index);
  });

  it('names form fields that it ignores, and refuses those that are options', async (t) => {
    const { json, refused } = await smallServer(t);
    const files = { 'a.png': await pngOf(50, 40, 1) };
    const body = await json(formRequest('/v1/predict', files, { submit: 'Upload', csrf: '1234' }));
    assert.deepEqual(pluck(body.images, 'name'), ['a.png']);
    assert.deepEqual(body.ignoredFields, ['submit', 'csrf']);
    const ignored = formRequest('/v1/predict', files, { model: 'other' });
    await refused(
      ignored,
      '400 bad_request',
      /field "model" is not read; add it to the address \(\?model=…\)/,
    );
    await refused(formRequest('/v1/predict', {}, { a: 'b' }), '400 bad_request', /no image/);
  });

  it('averages all models on request, and names them', async (t) => {
    const models = [await smallParts('one', 1), await smallParts('two', 2)];
    const { json } = await smallServer(t, { models });
    const bytes = await pngOf(50, 60);
    const of = async (model: string) => {
      const body = await json(imageRequest(`/v1/predict?model=${model}&top=5`, bytes));
      assert.deepEqual(body.models, model === 'all' ? ['one', 'two'] : [model]);
      const posteriors = Array<number>(5);
      for (const { index, probability } of body.images[0].top) posteriors[index] = probability;
      return posteriors;
    };
    const [one, two, all] = [await of('one'), await of('two'), await of('all')];
    assert.notDeepEqual(one, two);
    all.forEach((value, c) => {
      assert.ok(Math.abs(value - (one[c]! + two[c]!) / 2) < 1e-6);
    });
  });

  it('refuses invalid requests with a code and a sentence', async (t) => {
    const { logged, refused } = await smallServer(t);
    const image = await png(50, 50);
    const cases: [string, string, InjectOptions][] = [
      ['404 not_found', 'no model of that name', imageRequest('/v1/predict?model=nobody', image)],
      ['400 bad_request', 'top', imageRequest('/v1/predict?top=0', image)],
      ['400 bad_request', 'top', imageRequest('/v1/predict?top=1e2', image)],
      ['400 bad_request', 'protocol', imageRequest('/v1/predict?protocol=x', image)],
      ['400 bad_request', 'scales', imageRequest('/v1/predict?scales=40,40', image)],
      ['400 bad_request', 'scales', imageRequest('/v1/predict?scales=1,2,3,4,5,6', image)],
      ['400 bad_request', 'too small', imageRequest('/v1/predict?scales=8', image)],
      ['415 unsupported_type', 'image/jpeg', imageRequest('/v1/predict', image, 'text/html')],
      ['400 bad_request', 'not valid JSON', imageRequest('/v1/predict', image, 'application/json')],
      ['400 bad_request', 'no image', { method: 'POST', url: '/v1/predict' }],
      ['400 bad_request', 'no image', formRequest('/v1/predict', {})],
      ['422 bad_image', 'not a JPEG', imageRequest('/v1/predict', Buffer.from('<svg/>'))],
      ['422 bad_image', 'empty', imageRequest('/v1/predict', Buffer.alloc(0))],
      ['422 bad_image', 'damaged', imageRequest('/v1/predict', image.subarray(0, image.length / 2))],
      ['422 bad_image', 'damaged', imageRequest('/v1/predict', image.subarray(0, 30))],
      ['404 not_found', 'openapi', { method: 'GET', url: '/v1/predict' }],
    ];
    for (const [expected, words, request] of cases) {
      await refused(request, expected, new RegExp(words, 'i'));
    }
    assert.deepEqual(logged, []);
  });

  it('reports a broken form', async (t) => {
    const { refused } = await smallServer(t);
    const whole = formRequest('/v1/predict', { 'a.png': await png(40, 40) });
    const broken = { ...whole, payload: (whole.payload as Buffer).subarray(0, 200) };
    await refused(broken, '400 bad_request');
  });

  it('refuses too many bytes, pixels and images before it decodes any', async (t) => {
    const { json, refused } = await smallServer(t, {
      limits: { imageBytes: 20_000, pixels: 10_000, rescaledPixels: 20_000, images: 2 },
    });
    const small = await png(20, 20);
    const cases: [string, InjectOptions][] = [
      ['bytes', imageRequest('/v1/predict', Buffer.alloc(20_001))],
      ['bytes', formRequest('/v1/predict', { a: Buffer.alloc(20_001) })],
      ['bytes', formRequest('/v1/predict', { a: Buffer.alloc(120_000) })],
      ['pixels', imageRequest('/v1/predict', hugePng(50_000, 50_000))],
      ['pixels', imageRequest('/v1/predict', hugePng(200, 51))],
      // Small, but enormous when its smaller side is rescaled to 40.
      ['pixels', imageRequest('/v1/predict', await png(1, 2000))],
      ['images', formRequest('/v1/predict', { a: small, b: small, c: small })],
    ];
    for (const [words, request] of cases) await refused(request, '413 too_large', new RegExp(words));
    await json(imageRequest('/v1/predict', small));
  });

  it('has its default for a limit that is undefined', async (t) => {
    const { json } = await smallServer(t, {
      limits: { images: 3, pixels: undefined },
      timeouts: { headers: undefined },
    });
    const { limits } = await json('/v1/model');
    assert.deepEqual(limits, { ...defaultLimits, images: 3 });
  });

  it('reports that there is no model', async (t) => {
    const { json, refused } = await smallServer(t, { models: [] });
    await refused(imageRequest('/v1/predict?model=all', await png(40, 40)), '404 not_found', /no model/);
    assert.deepEqual((await json('/v1/model')).models, []);
  });
});
