/** The page's built files and no others; if it has not been built, a page with instructions. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { withSlashes } from '../core/paths.ts';
import { pagePolicy } from './security.ts';

/** @param folder of the built page */
export async function servePage(app: FastifyInstance, folder: string): Promise<void> {
  const isBuilt = existsSync(join(folder, 'index.html'));
  const policy = isBuilt ? pagePolicy() : pagePolicy(PLAIN_STYLE);
  app.addHook('onRequest', async (_, reply) => {
    reply.header('content-security-policy', policy);
  });
  if (!isBuilt) {
    app.get('/', { schema: { hide: true } }, async (_, reply) =>
      reply.type('text/html; charset=utf-8').send(NOT_BUILT_PAGE),
    );
    return;
  }
  await app.register(fastifyStatic, {
    root: folder,
    // One route for each file that exists when the server starts; no other path reaches the disk.
    wildcard: false,
    dotfiles: 'ignore',
    cacheControl: false,
    setHeaders: (response, path) => {
      // The names of built files contain a hash of their content.
      const caching = withSlashes(path).includes('/assets/')
        ? 'public, max-age=31536000, immutable'
        : 'no-cache';
      response.setHeader('cache-control', caching);
    },
  });
}

const PLAIN_STYLE =
  ':root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem; }';

/** A small page that the server writes itself. @param head further elements of its head */
export function plainPage(title: string, body: string, head = ''): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${PLAIN_STYLE}</style>
${head}</head>
<body><main><h1>${title}</h1>${body}</main></body>
</html>
`;
}

const NOT_BUILT_PAGE = plainPage(
  'verydeep',
  `<p>The server is running, but its page has not been built. Run this in the verydeep folder:</p>
<pre>npm run build</pre>
<p>Then restart the server. Available without the page: <a href="v1/model">models</a>, <a href="v1/runs">runs</a>, <a href="openapi.json">API description</a>.</p>`,
);
