import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { InjectOptions } from 'fastify';
import { folderWith, png, temporaryFolder } from '../../support/images.ts';
import { pluck } from '../../support/lists.ts';
import { imageRequest, type Json, line, smallServer, writeRun } from './small-server.ts';

describe('the OpenAPI document', () => {
  it('has every route, with its parameters and bodies', async (t) => {
    const { json } = await smallServer(t);
    const document = await json('/openapi.json');
    assert.equal(document.openapi, '3.1.0');
    const ofRun = ['card', 'events', 'metrics', 'model', 'notes', 'report', 'tables', 'use'];
    const runs = ['', '/{id}', ...ofRun.map((name) => `/{id}/${name}`)];
    assert.deepEqual(Object.keys(document.paths).sort(), [
      ...['/healthz', '/metrics', '/readyz'],
      ...['/v1/activations', '/v1/crops', '/v1/demo-images', '/v1/familiarity', '/v1/features'],
      ...[
        '/v1/grad-cam',
        '/v1/model',
        '/v1/model/card',
        '/v1/model/filters',
        '/v1/model/weights',
        '/v1/occlusion',
      ],
      '/v1/predict',
      ...runs.map((path) => `/v1/runs${path}`),
      ...['/v1/samples', '/v1/score-map', '/v1/session'],
    ]);
    const predict = document.paths['/v1/predict'].post;
    assert.deepEqual(pluck(predict.parameters, 'name'), ['model', 'protocol', 'scales', 'top']);
    assert.deepEqual([...new Set(pluck(predict.parameters, 'in'))], ['query']);
    const { responses } = document.paths['/v1/model/weights'].get;
    assert.ok(responses['200'].content['application/octet-stream']);
    const top = predict.parameters.find(({ name }: Json) => name === 'top');
    assert.equal(top.required, false);
    assert.deepEqual([top.schema.type, top.schema.minimum, top.schema.maximum], ['integer', 1, 1000]);
    assert.ok(predict.requestBody.content['image/jpeg']);
    assert.ok(predict.requestBody.content['multipart/form-data']);
    assert.equal(document.paths['/v1/session'].post.requestBody, undefined);
    const notes = document.paths['/v1/runs/{id}/notes'].post.requestBody;
    assert.deepEqual(Object.keys(notes.content), ['application/json']);
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
    const photos = await folderWith(t, { 'a/1.png': await png(9, 8), 'b/1.png': await png(8, 9) });
    const server = await smallServer(t, { runs, demoData: photos });
    const document = await server.json('/openapi.json');
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ $id: 'openapi', ...document });
    const image = await png(50, 40);
    const get = (url: string): InjectOptions => ({ method: 'GET', url });
    const requests: [string, InjectOptions][] = [
      ['/v1/model', get('/v1/model')],
      ['/v1/model/filters', get('/v1/model/filters')],
      ['/v1/demo-images', get('/v1/demo-images')],
      ['/v1/model/weights', get('/v1/model/weights?model=none')],
      ['/v1/predict', imageRequest('/v1/predict?protocol=both', image)],
      ['/v1/score-map', imageRequest('/v1/score-map', image)],
      ['/v1/crops', imageRequest('/v1/crops?flip=false', image)],
      ['/v1/grad-cam', imageRequest('/v1/grad-cam', image)],
      ['/v1/occlusion', imageRequest('/v1/occlusion', image)],
      ['/v1/familiarity', imageRequest('/v1/familiarity', image)],
      ['/v1/samples', get('/v1/samples')],
      ['/v1/activations', imageRequest('/v1/activations?layer=conv1_1', image)],
      ['/v1/features', imageRequest('/v1/features', image)],
      ['/v1/runs', get('/v1/runs')],
      ['/v1/runs/{id}', get('/v1/runs/a')],
      ['/v1/runs/{id}/metrics', get('/v1/runs/a/metrics')],
      ['/v1/runs/{id}/tables', get('/v1/runs/a/tables')],
      ['/healthz', get('/healthz')],
      ['/v1/runs/{id}', get('/v1/runs/none')],
      ['/v1/runs/{id}/report', get('/v1/runs/a/report')],
      ['/v1/predict', imageRequest('/v1/predict', Buffer.from('no image'))],
      ['/v1/predict', imageRequest('/v1/predict?top=x', image)],
      ['/v1/predict', imageRequest('/v1/predict', image, 'text/plain')],
    ];
    const statuses = [];
    for (const [path, request] of requests) {
      const { status, body } = await server.ask(request);
      statuses.push(status);
      const route = path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
      const response = `${route}/${request.method!.toLowerCase()}/responses/${status}`;
      const validate = ajv.compile({ $ref: `openapi#/paths/${response}/content/application~1json/schema` });
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
