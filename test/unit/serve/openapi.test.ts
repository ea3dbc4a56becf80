import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { InjectOptions } from 'fastify';
import { png, temporaryFolder, writeFiles } from '../../support/images.ts';
import { imageRequest, type Json, line, type SmallServer, smallServer, writeRun } from './small-server.ts';

async function documentOf({ json }: SmallServer): Promise<Json> {
  const body = await json('/openapi.json');
  return body;
}

describe('the OpenAPI document', () => {
  it('has every route, with its parameters and bodies', async (t) => {
    const document = await documentOf(await smallServer(t));
    assert.equal(document.openapi, '3.1.0');
    assert.deepEqual(Object.keys(document.paths).sort(), [
      '/healthz',
      '/metrics',
      '/readyz',
      '/v1/activations',
      '/v1/crops',
      '/v1/demo-images',
      '/v1/features',
      '/v1/model',
      '/v1/model/filters',
      '/v1/model/weights',
      '/v1/predict',
      '/v1/runs',
      '/v1/runs/{id}',
      '/v1/runs/{id}/events',
      '/v1/runs/{id}/metrics',
      '/v1/runs/{id}/report',
      '/v1/runs/{id}/tables',
      '/v1/score-map',
      '/v1/session',
    ]);
    const predict = document.paths['/v1/predict'].post;
    assert.deepEqual(
      predict.parameters.map(({ name, in: place }: Json) => `${place} ${name}`),
      ['query model', 'query protocol', 'query scales', 'query top'],
    );
    const { responses } = document.paths['/v1/model/weights'].get;
    assert.ok(responses['200'].content['application/octet-stream']);
    const top = predict.parameters.find(({ name }: Json) => name === 'top');
    assert.equal(top.required, false);
    assert.deepEqual([top.schema.type, top.schema.minimum, top.schema.maximum], ['integer', 1, 1000]);
    assert.ok(predict.requestBody.content['image/jpeg']);
    assert.ok(predict.requestBody.content['multipart/form-data']);
    assert.equal(document.paths['/v1/session'].post.requestBody, undefined);
    for (const [path, item] of Object.entries<Json>(document.paths)) {
      for (const operation of Object.values<Json>(item)) assert.ok(operation.summary, path);
    }
  });

  it('is true of responses, including errors', async (t) => {
    const runs = await temporaryFolder(t);
    await writeRun(join(runs, 'a'), {
      'metrics.jsonl': line(1) + line(2, 'validation'),
      'result.json': JSON.stringify({ reason: 'plateau', iterations: 2, seconds: 1.5 }),
    });
    const photos = await temporaryFolder(t);
    await writeFiles(photos, { 'a/1.png': await png(9, 8), 'b/1.png': await png(8, 9) });
    const server = await smallServer(t, { runs, demoData: photos });
    const document = await documentOf(server);
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'openapi', ...document });
    const image = await png(50, 40);
    const requests: [string, InjectOptions][] = [
      ['/v1/model', { method: 'GET', url: '/v1/model' }],
      ['/v1/model/filters', { method: 'GET', url: '/v1/model/filters' }],
      ['/v1/demo-images', { method: 'GET', url: '/v1/demo-images' }],
      ['/v1/model/weights', { method: 'GET', url: '/v1/model/weights?model=none' }],
      ['/v1/predict', imageRequest('/v1/predict?protocol=both', image)],
      ['/v1/score-map', imageRequest('/v1/score-map', image)],
      ['/v1/crops', imageRequest('/v1/crops?flip=false', image)],
      ['/v1/activations', imageRequest('/v1/activations?layer=conv1_1', image)],
      ['/v1/features', imageRequest('/v1/features', image)],
      ['/v1/runs', { method: 'GET', url: '/v1/runs' }],
      ['/v1/runs/{id}', { method: 'GET', url: '/v1/runs/a' }],
      ['/v1/runs/{id}/metrics', { method: 'GET', url: '/v1/runs/a/metrics' }],
      ['/v1/runs/{id}/tables', { method: 'GET', url: '/v1/runs/a/tables' }],
      ['/healthz', { method: 'GET', url: '/healthz' }],
      ['/v1/runs/{id}', { method: 'GET', url: '/v1/runs/none' }],
      ['/v1/runs/{id}/report', { method: 'GET', url: '/v1/runs/a/report' }],
      ['/v1/predict', imageRequest('/v1/predict', Buffer.from('no image'))],
      ['/v1/predict', imageRequest('/v1/predict?top=x', image)],
      ['/v1/predict', imageRequest('/v1/predict', image, 'text/plain')],
    ];
    const statuses = [];
    for (const [path, request] of requests) {
      const { status, body } = await server.ask(request);
      statuses.push(status);
      const pointer = [
        'paths',
        path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D'),
        request.method!.toLowerCase(),
        'responses',
        status,
        'content',
        'application~1json',
        'schema',
      ];
      const validate = ajv.compile({ $ref: `openapi#/${pointer.join('/')}` });
      assert.ok(validate(body), `${path} ${status}: ${ajv.errorsText(validate.errors)}`);
      // A schema that accepts anything would prove nothing.
      assert.ok(!validate({ unheard: 'of' }), `${path} ${status} accepts anything`);
    }
    assert.deepEqual([...new Set(statuses)].sort(), [200, 400, 404, 409, 415, 422]);
  });

  it('declares the token if there is one', async (t) => {
    const { json } = await smallServer(t, { token: 'correct-horse-battery' });
    const headers = { authorization: 'Bearer correct-horse-battery' };
    const body = await json({ url: '/openapi.json', headers });
    assert.deepEqual(body.security, [{ token: [] }]);
    assert.equal(body.components.securitySchemes.token.scheme, 'bearer');
  });
});
