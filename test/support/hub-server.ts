/**
 * A server on this machine with the interface of the Hugging Face hub: lists files, redirects to another origin for
 * their content, and takes ranges. Its behavior can be spoiled file by file.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

export const COMMIT: string = 'c0ffee'.padEnd(40, '0');

/** A request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly range?: string;
  readonly ifRange?: string;
  readonly authorization?: string;
}

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

export class HubServer {
  /** Contents by path in the repository. */
  readonly files = new Map<string, Buffer>();
  /** Takes the place of the content's server for a file. */
  readonly content = new Map<string, Respond>();
  /** Takes the place of the hub for an address. */
  readonly hub = new Map<string, Respond>();
  readonly seen: Seen[] = [];
  readonly repository: string;
  commit = COMMIT;
  /** The only token with access; undefined: none is needed. */
  token?: string;
  #hub!: Server;
  #content!: Server;

  constructor(repository = 'owner/vgg') {
    this.repository = repository;
  }

  async start(): Promise<this> {
    this.#hub = await listening((request, response) => this.#answer(request, response));
    this.#content = await listening((request, response) => this.#send(request, response));
    after(() => {
      for (const server of [this.#hub, this.#content]) server.closeAllConnections();
      for (const server of [this.#hub, this.#content]) server.close();
    });
    return this;
  }

  get url(): string {
    return urlOf(this.#hub);
  }

  get contentUrl(): string {
    return urlOf(this.#content);
  }

  /** Requests for content that contain a text. */
  requests(part: string): Seen[] {
    return this.seen.filter(({ url }) => url.includes(part));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    this.#note(request);
    const url = request.url ?? '';
    const special = this.hub.get(url);
    if (special) {
      special(request, response);
      return;
    }
    if (this.token !== undefined && request.headers.authorization !== `Bearer ${this.token}`) {
      response.writeHead(401, { 'x-error-code': 'RepoNotFound' }).end();
      return;
    }
    const api = new RegExp(`^/api/models/${this.repository}/revision/(main|${this.commit})$`);
    if (api.test(url)) {
      const siblings = [...this.files.keys()].map((rfilename) => ({ rfilename }));
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ sha: this.commit, siblings, tags: ['license:mit'] }));
      return;
    }
    if (url.startsWith('/api/')) {
      response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
      return;
    }
    const path = new RegExp(`^/${this.repository}/resolve/[^/]+/(.*)$`).exec(url)?.[1];
    const content = path === undefined ? undefined : this.files.get(decodeURIComponent(path));
    if (!content) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
      return;
    }
    response.writeHead(302, {
      location: `${this.contentUrl}/${path}`,
      'x-repo-commit': this.commit,
      'x-linked-etag': `"${createHash('sha256').update(content).digest('hex')}"`,
      'x-linked-size': String(content.length),
    });
    response.end();
  }

  #send(request: IncomingMessage, response: ServerResponse): void {
    this.#note(request);
    const path = decodeURIComponent((request.url ?? '').slice(1).replace(/\?.*/, ''));
    const special = this.content.get(path);
    if (special) {
      special(request, response);
      return;
    }
    const content = this.files.get(path);
    if (!content) {
      response.writeHead(404).end();
      return;
    }
    sendRange(request, response, content);
  }

  #note({ method = '', url = '', headers }: IncomingMessage): void {
    const { range, 'if-range': ifRange, authorization } = headers;
    this.seen.push({ method, url, range, ifRange: ifRange as string | undefined, authorization });
  }
}

/** Sends a file or, if its version is the requested one, the requested end of it. */
export function sendRange(request: IncomingMessage, response: ServerResponse, content: Buffer): void {
  const etag = `"${createHash('md5').update(content).digest('hex')}"`;
  const { range, 'if-range': version = etag } = request.headers;
  const start = range === undefined || version !== etag ? 0 : Number(/^bytes=(\d+)-$/.exec(range)![1]);
  if (start >= content.length && start > 0) {
    response.writeHead(416).end();
    return;
  }
  const headers: Record<string, string> = { etag, 'content-length': String(content.length - start) };
  if (start > 0) headers['content-range'] = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers).end(content.subarray(start));
}

async function listening(answer: Respond): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
