/**
 * The HTTP interface of `vgg serve`: the files of this folder hold the schemas that check requests and responses and
 * from which the OpenAPI document is generated. The page imports their types. Here: what several routes share, and the
 * errors. Probabilities and errors are fractions.
 *
 * If the server has a token, the page exchanges it once for a cookie: `POST /v1/session` with
 * `Authorization: Bearer TOKEN` responds with 204 (or 401 for a wrong token), and EventSource and links work from then
 * on. `/` and the page's own files need no token. A 401 from any other address makes the page ask for the token.
 */
import { z } from 'zod';
import { protocols } from '../../evaluate/protocol.ts';

/** What can go wrong, with the status that it is answered with. */
export const errorStatuses = {
  /** A parameter, a header or a body that is not what it should be. */
  bad_request: 400,
  /** No token, or a wrong one. */
  unauthorized: 401,
  /** Another web site's page, or a name for this server that is not its own. */
  forbidden: 403,
  not_found: 404,
  /** The client did not send its request in time. */
  timeout: 408,
  /** The run has nothing of that kind (yet). */
  not_available: 409,
  /** More bytes, pixels or images than are taken. */
  too_large: 413,
  /** A content type that is no image's. */
  unsupported_type: 415,
  /** An image that cannot be decoded, or that the network cannot see at this scale. */
  bad_image: 422,
  internal: 500,
  /** The queue is full, or the server is being shut down: see Retry-After. */
  busy: 503,
} as const;

export type ErrorCode = keyof typeof errorStatuses;

export const errorSchema = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(errorStatuses) as [ErrorCode, ...ErrorCode[]]),
      message: z.string().describe('one sentence for people'),
    }),
  })
  .meta({ id: 'Error' });
export type ErrorBody = z.output<typeof errorSchema>;

export const protocolSchema = z
  .enum(protocols)
  .describe('what is seen of an image: its centre crop, all of it, a 5×5 grid of crops, or both of these');

export const sizeSchema = z.object({ width: z.int(), height: z.int() }).meta({ id: 'Size' });
export type Size = z.output<typeof sizeSchema>;

export const rankedClassSchema = z
  .object({
    index: z.int().describe('number of the class, from 0'),
    label: z.string(),
    probability: z.number(),
  })
  .meta({ id: 'RankedClass' });
export type RankedClass = z.output<typeof rankedClassSchema>;

/**
 * A whole number as a query has it. What the interface's document says of it stands beside, since a schema of
 * text that is read does not tell.
 */
function wholeNumber(minimum: number, maximum: number, description: string) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
    .meta({ description, type: 'integer', pattern: undefined, minimum, maximum });
}

/** The same where there may be none. */
function wholeNumberOr(fallback: number, minimum: number, maximum: number, description: string) {
  return wholeNumber(minimum, maximum, `${description} (default: ${fallback})`).default(fallback);
}

/** `true` or `false` */
export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

export const MOST_SCALES = 5;
export const LARGEST_SCALE = 2048;

/** The query parameters that several requests have. */
export const query = {
  model: z.string().max(200).optional().describe('name of a model (default: the first)'),
  scales: z
    .string()
    .max(100)
    .regex(/^(auto|\d{1,4}(,\d{1,4})*)$/, 'must be auto, or whole numbers such as 256,384,512')
    .transform((text) => (text === 'auto' ? ('auto' as const) : text.split(',').map(Number)))
    .refine(
      (scales) => scales === 'auto' || scales.length <= MOST_SCALES,
      `at most ${MOST_SCALES} scales are taken`,
    )
    .refine(
      (scales) => scales === 'auto' || scales.every((scale) => scale >= 1 && scale <= LARGEST_SCALE),
      `a scale is from 1 to ${LARGEST_SCALE} pixels`,
    )
    .refine(
      (scales) => scales === 'auto' || new Set(scales).size === scales.length,
      'a scale stands there twice',
    )
    .optional()
    .describe(
      'smaller sides Q that the image is rescaled to, such as 256,384,512; auto: the three that belong to the ' +
        'scales of training (default: the one that does)',
    ),
  scale: wholeNumber(
    1,
    LARGEST_SCALE,
    'smaller side Q (default: what belongs to the training scale)',
  ).optional(),
  top: wholeNumberOr(5, 1, 1000, 'classes to name'),
  layer: z.string().max(40).describe('conv1_1 … fc8, behind its ReLU, or pool1 … pool5'),
  wholeNumber,
  wholeNumberOr,
};
