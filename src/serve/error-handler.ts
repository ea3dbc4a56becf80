/** Turns every error into a response with a code and a message. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { messageOf, systemErrorCode, UserError } from '../core/errors.ts';
import type { Limits } from './contract/model-schemas.ts';
import type { ServerMetrics } from './prometheus.ts';
import { ClientDisconnected, noSuchAddress, RequestError } from './request-errors.ts';
import { bodies } from './uploads.ts';

interface ErrorHandlerOptions {
  readonly limits: Limits;
  readonly metrics: ServerMetrics;
  /** Called with a message for each bug. */
  readonly log: (message: string) => void;
}

export function handleErrors(app: FastifyInstance, { limits, metrics, log }: ErrorHandlerOptions): void {
  const send = (reply: FastifyReply, error: RequestError) => {
    metrics.refused.inc({ code: error.code });
    if (error.retryAfter !== undefined) reply.header('retry-after', String(error.retryAfter));
    // The rest of a rejected body is not read, so no other request can follow on the connection.
    if (error.status === 413 || error.status === 408) reply.header('connection', 'close');
    return reply
      .code(error.status)
      .type('application/json; charset=utf-8')
      .serializer(JSON.stringify)
      .send(error.body);
  };
  app.setNotFoundHandler((_, reply) => send(reply, noSuchAddress()));
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply) => {
    if (error instanceof ClientDisconnected || reply.raw.destroyed) return reply.hijack();
    const known = toRequestError(error, limits);
    if (known.code === 'internal') {
      log(
        `bug in ${request.method} ${request.routeOptions.url ?? 'no route'}: ${error.stack ?? messageOf(error)}`,
      );
    }
    // What this server cannot give is for whoever runs it to fix; the client must not learn the folders.
    if (known.code === 'not_available' && known.cause instanceof UserError) log(known.cause.message);
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
  return fastifyErrors(limits)[error.code] ?? byStatus(error);
}

const fastifyErrors = ({ imageBytes, images }: Limits): Readonly<Record<string, RequestError>> => {
  const tooLarge = new RequestError(
    'too_large',
    `An image may have at most ${imageBytes} bytes; send a smaller one.`,
  );
  const tooMany = new RequestError(
    'too_large',
    `A request may have at most ${images} images; send fewer images.`,
  );
  return {
    FST_ERR_CTP_BODY_TOO_LARGE: tooLarge,
    FST_REQ_FILE_TOO_LARGE: tooLarge,
    FST_FILES_LIMIT: tooMany,
    FST_PARTS_LIMIT: tooMany,
    FST_FIELDS_LIMIT: new RequestError('bad_request', 'Too many form fields; send images only.'),
    FST_ERR_CTP_INVALID_MEDIA_TYPE: new RequestError(
      'unsupported_type',
      `Unsupported content type; send ${bodies}.`,
    ),
  };
};

function byStatus(error: FastifyError): RequestError {
  const { statusCode = 500 } = error;
  if (statusCode >= 400 && statusCode < 500) return new RequestError('bad_request', `${error.message}.`);
  // The body ended early or is not valid multipart/form-data.
  if (
    /unexpected end|malformed|multipart|boundary/i.test(error.message) &&
    systemErrorCode(error) === undefined
  ) {
    return new RequestError('bad_request', `Invalid body: ${error.message}.`, { cause: error });
  }
  return new RequestError('internal', 'Internal error; the server log has the details.', { cause: error });
}
