/** The OpenAPI document, generated from the schemas that check requests and responses. */
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { OpenAPIV3_1 } from 'openapi-types';
import { version } from '../core/project.ts';
import { jsonImageSchema } from './json-image.ts';
import { imageTypes, jpegAliases } from './uploads.ts';

export async function describeInterface(app: FastifyInstance, hasToken: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'verydeep',
        version,
        description:
          'The networks of Simonyan & Zisserman: classify images, inspect models, follow training runs.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: hasToken ? { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } } : undefined,
      security: hasToken ? [{ token: [] }] : undefined,
    },
    transform: jsonSchemaTransform,
    transformObject: (found) => {
      const document = jsonSchemaTransformObject(found) as OpenAPIV3_1.Document;
      for (const [path, item] of Object.entries(document.paths ?? {})) {
        if (item?.post && !WITHOUT_IMAGES.test(path)) item.post.requestBody = imagesBody as never;
        const other = otherResponses[path];
        if (item?.get && other) Object.assign(item.get.responses!, other);
      }
      const features = document.paths?.['/v1/features']?.post?.responses?.['200'];
      if (features && 'content' in features) features.content!['application/octet-stream'] = {};
      return document as never;
    },
  });
}

/** Paths of POST requests whose body is not an image. */
const WITHOUT_IMAGES = /^\/v1\/(session$|runs\/)/;

const text = (description: string, type: string): OpenAPIV3_1.ResponseObject => ({
  description,
  content: { [type]: { schema: { type: 'string' } } },
});

/** Responses other than JSON, by path and status. */
const otherResponses: Readonly<Record<string, OpenAPIV3_1.ResponsesObject>> = {
  '/v1/model/weights': {
    200: {
      description: "a safetensors file with the model's metadata; see docs/guides/weights.md",
      content: { 'application/octet-stream': {} },
    },
  },
  '/v1/runs/{id}/model': {
    200: {
      description: "a safetensors file with the model's metadata, without the optimizer's state",
      content: { 'application/octet-stream': {} },
    },
  },
  '/v1/model/card': { 200: text('the model card', 'text/markdown') },
  '/v1/runs/{id}/card': { 200: text('the model card', 'text/markdown') },
  '/metrics': { 200: text("Prometheus's text format", 'text/plain') },
  '/v1/runs/{id}/events': { 200: text('server-sent events', 'text/event-stream') },
  '/v1/runs/{id}/report': {
    200: text('the report', 'text/html'),
    202: text('a page with the progress, which reloads itself', 'text/html'),
  },
};

/** The body of image requests, which src/serve/uploads.ts checks instead of a schema. */
const imagesBody: OpenAPIV3_1.RequestBodyObject = {
  required: true,
  content: {
    ...Object.fromEntries([...imageTypes, ...jpegAliases].map((type) => [type, {}])),
    'application/json': { schema: jsonImageSchema },
    'multipart/form-data': {
      schema: {
        type: 'object',
        additionalProperties: { type: 'string', contentMediaType: 'application/octet-stream' },
        minProperties: 1,
      },
    },
  },
};
