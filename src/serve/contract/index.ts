/**
 * The HTTP interface of `vgg serve`: the schemas that check requests and answers, from which the OpenAPI
 * document is made. The page imports the types.
 *
 * Where the server has a token, a page exchanges it once for a cookie: `POST /v1/session` with
 * `Authorization: Bearer TOKEN` answers 204 (401: wrong), and EventSource and links work from then on. `/` and
 * the page's own files need no token; a 401 from anything else tells the page to ask for it.
 */
export * from './activations.ts';
export {
  type ErrorBody,
  type ErrorCode,
  errorSchema,
  errorStatuses,
  LARGEST_SCALE,
  MOST_SCALES,
  protocolSchema,
  type RankedClass,
  rankedClassSchema,
  type Size,
  sizeSchema,
} from './common.ts';
export * from './demo-images.ts';
export * from './maps.ts';
export * from './model.ts';
export * from './predict.ts';
export * from './runs.ts';
