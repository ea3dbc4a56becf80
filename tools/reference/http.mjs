/** The HTTP reference, from the OpenAPI document that the server answers `/openapi.json` with. */
import { fileURLToPath } from 'node:url';
import { buildServer } from '../../dist/src/serve/server.js';
import { code, generated, plain, sentence, table } from './markdown.mjs';

/** The page is not described, but a server has one. */
const pageFolder = fileURLToPath(new URL('../../dist/web', import.meta.url));
const methods = ['get', 'post', 'put', 'delete'];

export async function httpPage() {
  const { paths, components } = await openApiDocument();
  const operations = Object.entries(paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ path, method, ...item[method] })),
  );
  // The same objects again, as requests would give them.
  const objects = Object.entries(components.schemas).filter(([name]) => !name.endsWith('Input'));
  return `${[
    generated,
    '# HTTP interface',
    'The interface of `vgg serve`, from the document that it serves at `/openapi.json`. [Serving](../guides/serving.md) explains tokens, limits, batches and errors. Images are the body of a request (`image/jpeg`, `image/png`, `image/webp`) or the file parts of `multipart/form-data`.',
    table(
      ['request', 'purpose'],
      operations.map((operation) => [
        `[${code(titleOf(operation))}](#${anchorOf(titleOf(operation))})`,
        plain(sentence(operation.summary ?? '')),
      ]),
    ),
    ...operations.map(operationSection),
    '## Objects',
    ...objects.map(([name, schema]) =>
      [`### ${name}`, plain(sentence(schema.description ?? '')), fieldTable(schema)]
        .filter((part) => part !== '')
        .join('\n\n'),
    ),
  ].join('\n\n')}\n`;
}

/** Of a server without models that listens to nothing. */
async function openApiDocument() {
  const app = await buildServer({ models: [], pages: {}, page: pageFolder, log() {} });
  await app.ready();
  const document = app.swagger();
  await app.close();
  return document;
}

function titleOf({ method, path }) {
  return `${method.toUpperCase()} ${path}`;
}

/** As GitHub makes anchors of headings. */
function anchorOf(title) {
  return title
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

function operationSection(operation) {
  const { summary = '', description = '', parameters = [], requestBody, responses } = operation;
  const bodies = Object.entries(requestBody?.content ?? {});
  return [
    `## ${titleOf(operation)}`,
    plain(sentence(summary)),
    plain(description),
    table(
      ['parameter', 'in', 'type', 'default', 'meaning'],
      parameters.map(({ name, in: place, schema, description: meaning = '' }) => [
        code(name),
        place,
        typeOf(schema),
        code(schema.default === undefined ? '' : String(schema.default)),
        plain(meaning),
      ]),
    ),
    bodies.length === 0 ? '' : `Body: ${bodies.map(([type]) => code(type)).join(', ')}.`,
    ...bodies.filter(([type]) => type === 'application/json').map(([, { schema }]) => fieldTable(schema)),
    ...Object.entries(responses)
      .filter(([status]) => status < 400)
      .map(responsePart),
    errorsOf(responses),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function responsePart([status, { description, content = {} }]) {
  const types = Object.keys(content);
  const schema = content['application/json']?.schema;
  const name = schema?.$ref ? `: ${typeOf(schema)}` : '';
  const text = description === 'Default Response' ? '' : `: ${plain(description)}`;
  const body = types.length === 0 ? 'no body' : types.map(code).join(' or ');
  const fields = schema && !schema.$ref ? fieldTable(schema) : '';
  return `Response ${status} (${body})${name || text}${fields === '' ? '.' : `:\n\n${fields}`}`;
}

function errorsOf(responses) {
  const statuses = Object.keys(responses).filter((status) => status >= 400);
  return statuses.length === 0 ? '' : `Errors: ${statuses.join(', ')} ([Error](#error)).`;
}

function fieldTable(schema) {
  const rows = fieldsOf(schema, '');
  return table(['field', 'type', 'meaning'], rows);
}

/** An object's fields, and those of objects within it, by their paths: `images[].top[]`. */
function fieldsOf(schema, path) {
  if (schema.type === 'array' && schema.items) return fieldsOf(schema.items, `${path}[]`);
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants && !isNullable(variants)) return variants.flatMap((variant) => fieldsOf(variant, path));
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const place = path === '' ? name : `${path}.${name}`;
    const optional = schema.required?.includes(name) ? '' : ' (optional)';
    return [
      [code(place), `${typeOf(field)}${optional}`, plain(field.description ?? '')],
      ...fieldsOf(field, place),
    ];
  });
}

function isNullable(variants) {
  return variants.some(({ type }) => type === 'null');
}

function typeOf(schema) {
  if (schema.$ref) {
    const name = schema.$ref
      .split('/')
      .at(-1)
      .replace(/Input$/, '');
    return `[${name}](#${name.toLowerCase()})`;
  }
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ');
  if (schema.const !== undefined) return code(String(schema.const));
  const variants = schema.anyOf ?? schema.oneOf;
  if (variants) return [...new Set(variants.map(typeOf))].join(' or ');
  if (schema.type === 'array') {
    if (!schema.items) return 'array';
    const items = typeOf(schema.items);
    return items.includes(', ') || items.includes(' or ') ? `(${items})[]` : `${items}[]`;
  }
  return (schema.type ?? 'any') + rangeOf(schema);
}

/** Bounds, but for those of any whole number that JavaScript is sure of. */
function rangeOf({ minimum, maximum }) {
  const from = Math.abs(minimum ?? Infinity) < Number.MAX_SAFE_INTEGER ? minimum : undefined;
  const to = Math.abs(maximum ?? Infinity) < Number.MAX_SAFE_INTEGER ? maximum : undefined;
  if (from !== undefined && to !== undefined) return ` ${from} to ${to}`;
  return (from === undefined ? '' : ` from ${from}`) + (to === undefined ? '' : ` up to ${to}`);
}
