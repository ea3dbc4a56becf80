/**
 * The HTTP interface of `vgg serve`: the files of this folder hold the schemas that check requests and responses and
 * from which the OpenAPI document is generated. The page imports their types. This file has the schemas that several
 * routes share, and the errors. Probabilities and errors are fractions.
 *
 * If the server has a token, the page exchanges it once for a cookie: `POST /v1/session` with
 * `Authorization: Bearer TOKEN` responds with 204 (or 401 for a wrong token), and EventSource and links work from then
 * on. `/` and the page's own files need no token. A 401 from any other address makes the page ask for the token.
 */
import { z } from 'zod';
import { protocols } from '../../evaluate/protocol/protocol.ts';

/** Error codes and their HTTP status. */
export const errorStatuses = {
  /** An invalid parameter, header or body. */
  bad_request: 400,
  /** No token, or a wrong one. */
  unauthorized: 401,
  /** A page of another site, another host name, or something that this server does not share. */
  forbidden: 403,
  not_found: 404,
  /** The request did not arrive in time. */
  timeout: 408,
  /** The run does not have it (yet). */
  not_available: 409,
  /** More bytes, pixels or images than the limits. */
  too_large: 413,
  /** Not the content type of an image. */
  unsupported_type: 415,
  /** An image that cannot be decoded. */
  bad_image: 422,
  internal: 500,
  /** The queue is full, or the server is shutting down: see Retry-After. */
  busy: 503,
} as const;

export type ErrorCode = keyof typeof errorStatuses;

export const errorSchema = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(errorStatuses) as [ErrorCode, ...ErrorCode[]]),
      message: z.string().describe('human-readable sentence'),
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.output<typeof errorSchema>;

export const protocolSchema = z
  .enum(protocols)
  .describe(
    'center: the center crop; dense: the whole image; crops: a 5×5 grid of crops; both: the mean of dense and crops',
  );

export const sizeSchema = z.object({ width: z.int(), height: z.int() }).meta({ id: 'Size' });
export type Size = z.output<typeof sizeSchema>;

export const rankedClassSchema = z
  .object({
    index: z.int().describe('class number, from 0'),
    label: z.string(),
    probability: z.number(),
  })
  .meta({ id: 'RankedClass' });
export type RankedClass = z.output<typeof rankedClassSchema>;

export const boxSchema = z
  .object({ left: z.number(), top: z.number(), right: z.number(), bottom: z.number() })
  .describe('edges of the object, in pixels of the image as displayed')
  .meta({ id: 'Box' });

/**
 * A whole number in a query string. Its JSON schema is given explicitly, since it cannot be derived from a schema that
 * parses text.
 */
function wholeNumber(minimum: number, maximum: number, description: string) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
    .meta({ description, type: 'integer', pattern: undefined, minimum, maximum });
}

/** A whole number in a query string, with a default. */
function wholeNumberOr(fallback: number, minimum: number, maximum: number, description: string) {
  return wholeNumber(minimum, maximum, `${description} (default: ${fallback})`).default(fallback);
}

/** `true` or `false` */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

const MAX_SCALES = 5;
const MAX_SCALE = 2048;

/** Query parameters of several routes. */
export const query = {
  model: z.string().max(200).optional().describe('name of a model (default: the first)'),
  scales: z
    .string()
    .max(100)
    .regex(/^(auto|\d{1,4}(,\d{1,4})*)$/, 'must be auto, or whole numbers such as 256,384,512')
    .transform((text) => (text === 'auto' ? ('auto' as const) : text.split(',').map(Number)))
    .refine(
      (scales) => scales === 'auto' || scales.length <= MAX_SCALES,
      `must list at most ${MAX_SCALES} scales`,
    )
    .refine(
      (scales) => scales === 'auto' || scales.every((scale) => scale >= 1 && scale <= MAX_SCALE),
      `must list scales from 1 to ${MAX_SCALE} pixels`,
    )
    .refine(
      (scales) => scales === 'auto' || new Set(scales).size === scales.length,
      'must not contain duplicates',
    )
    .optional()
    .describe(
      'test scales Q in pixels, such as 256,384,512; auto: three, following the training scale S (default: one, ' +
        'defaultScale of the model)',
    ),
  scale: wholeNumber(
    1,
    MAX_SCALE,
    'smaller side Q in pixels (default: defaultScale of the model)',
  ).optional(),
  top: wholeNumberOr(5, 1, 1000, 'number of most probable classes'),
  layer: z.string().max(40).describe('conv1_1 … fc8, after the ReLU, or pool1 … pool5'),
  wholeNumber,
  wholeNumberOr,
};
