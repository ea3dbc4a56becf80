import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { jpeg, png } from '../../support/images.ts';
import { formRequest, imageRequest, smallServer } from './small-server.ts';

const post = (body: unknown, query = '') =>
  imageRequest(
    `/v1/predict${query}`,
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
    'application/json; charset=utf-8',
  );

describe('an image inside JSON', () => {
  it('is predicted like the same bytes as the body, from a data URL or base64 alone', async (t) => {
    const { json } = await smallServer(t);
    const bytes = await jpeg(50, 40);
    const base64 = bytes.toString('base64');
    const top = async (request: ReturnType<typeof post>) => (await json(request)).images[0].top;
    const expected = await top(imageRequest('/v1/predict', bytes, 'image/jpeg'));
    for (const image of [
      `data:image/jpeg;base64,${base64}`,
      // The bytes decide, not the type.
      `data:text/plain;charset=x;base64,${base64}`,
      base64,
      base64.replace(/.{76}/g, '$&\r\n'),
      bytes.toString('base64url'),
    ]) {
      assert.deepEqual(await top(post({ image })), expected, image.slice(0, 30));
    }
  });

  it('is taken by every address for images', async (t) => {
    const { json } = await smallServer(t);
    const image = (await png(50, 40)).toString('base64');
    for (const path of ['score-map', 'crops', 'features', 'activations?layer=conv1_1']) {
      await json({ ...post({ image }), url: `/v1/${path}` });
    }
  });

  it('is refused with a sentence when it is anything else', async (t) => {
    const { logged, refused } = await smallServer(t, { limits: { imageBytes: 3000 } });
    const image = (await png(20, 20)).toString('base64');
    const cases: [string, RegExp, unknown][] = [
      ['400 bad_request', /not valid JSON/, '{"image": '],
      ['400 bad_request', /not valid JSON/, ''],
      ['400 bad_request', /must be a JSON object/, '[]'],
      ['400 bad_request', /must be a JSON object/, 'null'],
      ['400 bad_request', /must be a JSON object/, `{"image": ${'['.repeat(1500)}${']'.repeat(1500)}}`],
      ['400 bad_request', /"image" must be text/, {}],
      ['400 bad_request', /"image" must be text/, { image: { data: image } }],
      ['400 bad_request', /"top" is not read; add it to the address \(\?top=…\)/, { image, top: 3 }],
      ['400 bad_request', /Unknown field "images"/, { image, images: [] }],
      ['400 bad_request', /Unknown field "__proto__"/, `{"image": "${image}", "__proto__": {"a": 1}}`],
      ['400 bad_request', /does not download images/, { image: 'http://127.0.0.1/secret' }],
      ['400 bad_request', /not valid base64/, { image: 'photo.jpg' }],
      ['400 bad_request', /not valid base64/, { image: `data:image/png;base64,${image}!` }],
      ['400 bad_request', /not a data URL/, { image: 'data:image/png;base64' }],
      ['422 bad_image', /not a JPEG/, { image: 'data:image/svg+xml,<svg/>' }],
      ['422 bad_image', /empty/, { image: '' }],
      ['413 too_large', /at most 3000 bytes/, { image: Buffer.alloc(3001).toString('base64') }],
      ['413 too_large', /bytes/, { image: 'A'.repeat(10_000) }],
    ];
    for (const [expected, message, body] of cases) await refused(post(body), expected, message);
    assert.deepEqual(logged, []);
  });

  it('is answered with a client error for any hostile body, and never with a bug', async (t) => {
    const { ask, logged } = await smallServer(t, { limits: { imageBytes: 3000 } });
    const text = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc
        .record({ image: fc.oneof(fc.string(), fc.base64String(), fc.webUrl(), fc.anything()) })
        .map((value) => {
          try {
            return JSON.stringify(value);
          } catch {
            return '{}';
          }
        }),
      fc.string().map((value) => `{"image":"data:image/png;base64,${value}"}`),
    );
    await fc.assert(
      fc.asyncProperty(text, async (body) => {
        const { status, body: answer } = await ask(post(body));
        assert.ok(status >= 400 && status < 500, `${status} for ${body}`);
        assert.match(answer.error.message, /\.$/);
      }),
      { numRuns: 300 },
    );
    assert.deepEqual(logged, []);
  });

  it('leaves the names of ignored fields to forms', async (t) => {
    const { json } = await smallServer(t);
    const files = { 'a.png': await png(50, 40) };
    assert.deepEqual((await json(formRequest('/v1/crops', files, { a: '1' }))).ignoredFields, ['a']);
    assert.equal((await json(formRequest('/v1/crops', files))).ignoredFields, undefined);
  });
});
