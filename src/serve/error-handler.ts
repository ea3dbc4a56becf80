/** Whatever goes wrong, as a code and a sentence. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { messageOf, systemErrorCode } from '../core/errors.ts';
import type { Limits } from './contract/model.ts';
import { ClientDisconnected, RequestError } from './errors.ts';
import type { Metrics } from './prometheus.ts';
import { imageTypes } from './uploads.ts';

export interface FailureOptions {
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** Hears of bugs. */
  readonly log: (message: string) => void;
}

export function handleErrors(app: FastifyInstance, { limits, metrics, log }: FailureOptions): void {
  const send = (reply: FastifyReply, error: RequestError) => {
    metrics.refused.inc({ code: error.code });
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter));
    // What is left of a body that was refused is not read, so nothing can follow it.
    if (error.status === 413 || error.status === 408) reply.header('connection', 'close');
    return reply
      .code(error.status)
      .type('application/json; charset=utf-8')
      .serializer(JSON.stringify)
      .send(error.body);
  };
  app.setNotFoundHandler((request, reply) =>
    send(
      reply,
      new RequestError('not_found', `There is no ${request.method} here; /openapi.json lists what there is.`),
    ),
  );
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply) => {
    if (error instanceof ClientDisconnected || reply.raw.destroyed) return reply.hijack();
    const known = toRequestError(error, limits);
    if (known.code === 'internal') {
      log(
        `${request.method} ${request.routeOptions.url ?? 'no route'}: this is a bug: ${error.stack ?? messageOf(error)}`,
      );
    }
    return send(reply, known);
  });
}

function toRequestError(error: FastifyError, limits: Limits): RequestError {
  if (error instanceof RequestError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const reasons = error.validation.map(({ instancePath, message }) =>
      `${instancePath.replaceAll('/', ' ').trim()} ${message}`.trim(),
    );
    return new RequestError('bad_request', `${reasons.join('; ')}.`);
  }
  return knownFailures(limits)[error.code] ?? byStatus(error);
}

const knownFailures = ({ imageBytes, images }: Limits): Readonly<Record<string, RequestError>> => {
  const tooLarge = new RequestError(
    'too_large',
    `An image may have ${imageBytes} bytes; send a smaller one.`,
  );
  const tooMany = new RequestError('too_large', `A request may have ${images} images; send fewer.`);
  return {
    FST_ERR_CTP_BODY_TOO_LARGE: tooLarge,
    FST_REQ_FILE_TOO_LARGE: tooLarge,
    FST_FILES_LIMIT: tooMany,
    FST_PARTS_LIMIT: tooMany,
    FST_FIELDS_LIMIT: new RequestError('bad_request', 'Form fields other than files are not taken.'),
    FST_ERR_CTP_INVALID_MEDIA_TYPE: new RequestError(
      'unsupported_type',
      `Send an image as ${imageTypes.join(', ')}, or several as multipart/form-data.`,
    ),
  };
};

function byStatus(error: FastifyError): RequestError {
  const { statusCode = 500 } = error;
  if (statusCode >= 400 && statusCode < 500) return new RequestError('bad_request', `${error.message}.`);
  // The body ended before its time, or was no multipart/form-data.
  if (
    /unexpected end|malformed|multipart|boundary/i.test(error.message) &&
    systemErrorCode(error) === undefined
  ) {
    return new RequestError('bad_request', `The body is broken: ${error.message}.`, { cause: error });
  }
  return new RequestError('internal', 'Something went wrong in the server; its log says what.', {
    cause: error,
  });
}
