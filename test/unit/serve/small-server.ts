/** Shared by tests of the server: servers with small networks on the reference backend, requests without a socket. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { UserError } from '../../../src/core/errors.ts';
import type { Backend } from '../../../src/kernels/backend.ts';
import type { NamedModel } from '../../../src/serve/models/served-model.ts';
import type { RunPages } from '../../../src/serve/runs/run-reports.ts';
import { buildServer, type ServerOptions } from '../../../src/serve/server.ts';
import { reference } from '../../support/backends.ts';
import { writeFiles } from '../../support/images.ts';
import { MEAN, smallModel } from '../evaluate/small-models.ts';

export const LABELS = ['ant', 'bee', 'cat', 'dog', 'eel'] as const;

/** Configuration A, narrow, five classes, crop 32. */
export async function smallParts(name = 'small', seed = 5, backend = reference): Promise<NamedModel> {
  const { network, parameters } = await smallModel({}, { backend, seed });
  const facts = {
    network,
    classes: LABELS,
    labels: LABELS,
    meanRgb: MEAN,
    trainScale: { min: 40, max: 40 },
    provenance: { createdBy: 'a test', data: '/home/somebody/photos' },
  };
  return { name, facts, backend, parameters, checksum: 'ab'.repeat(32) };
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly body: Json;
  readonly headers: Readonly<Record<string, unknown>>;
}

export interface SmallServer {
  readonly app: FastifyInstance;
  /** Log messages. */
  readonly logged: string[];
  /** Sends a request. */
  ask(options: InjectOptions | string): Promise<Answer>;
  /** Sends a request whose status must be 200, and returns its JSON. */
  json(options: InjectOptions | string): Promise<Json>;
  /** Sends a request that must fail with a status and code, such as `400 bad_request`, and a sentence that matches. */
  refused(options: InjectOptions | string, expected: string, message?: RegExp): Promise<Answer>;
}

/** Pages of runs without data. */
export const PAGES: RunPages = {
  report: async () => '<!doctype html>',
  tables: async () => [],
  card: async () => '# Card',
  validationImages: async () => {
    throw new UserError('no data');
  },
};

/** A server that is closed when the test ends. */
export async function smallServer(
  t: TestContext,
  { models, ...options }: Partial<ServerOptions> = {},
): Promise<SmallServer> {
  const logged: string[] = [];
  const app = await buildServer({
    models: models ?? [await smallParts()],
    pages: PAGES,
    page: '/nonexistent',
    log: (message) => void logged.push(message),
    ...options,
  });
  t.after(() => app.close());
  const ask = async (request: InjectOptions | string): Promise<Answer> => {
    const { statusCode, headers, ...answer } = await app.inject(request as InjectOptions);
    const isJson = String(headers['content-type']).startsWith('application/json');
    return { status: statusCode, body: isJson ? JSON.parse(answer.body) : answer.body, headers };
  };
  const json = async (request: InjectOptions | string): Promise<Json> => {
    const { status, body } = await ask(request);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  };
  const refused = async (
    request: InjectOptions | string,
    expected: string,
    message = /\.$/,
  ): Promise<Answer> => {
    const answer = await ask(request);
    const { code, message: actual } = answer.body.error ?? {};
    assert.equal(`${answer.status} ${code}`, expected, JSON.stringify(answer.body));
    assert.match(actual, message);
    assert.match(actual, /\.$/);
    return answer;
  };
  return { app, logged, ask, json, refused };
}

/** A request with one image as its body. */
export function imageRequest(
  url: string,
  payload: Buffer,
  type = 'image/png',
  headers: Record<string, string> = {},
): InjectOptions {
  return { method: 'POST', url, payload, headers: { 'content-type': type, ...headers } };
}

/** multipart/form-data with files, and fields before them. */
export function formRequest(
  url: string,
  files: Readonly<Record<string, Buffer>>,
  fields: Readonly<Record<string, string>> = {},
): InjectOptions {
  const boundary = 'xxxxxxxx';
  const named = Object.entries(fields).map(([name, value]) =>
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`),
  );
  const parts = Object.entries(files).flatMap(([name, bytes]) => [
    Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="image"; filename="${name}"\r\n`),
    Buffer.from('Content-Type: image/png\r\n\r\n'),
    bytes,
    Buffer.from('\r\n'),
  ]);
  const payload = Buffer.concat([...named, ...parts, Buffer.from(`--${boundary}--\r\n`)]);
  return imageRequest(url, payload, `multipart/form-data; boundary=${boundary}`);
}

/** A backend whose programs run only while its gate is open. */
export class HeldBackend {
  readonly backend: Backend;
  #open: () => void = () => {};
  #gate: Promise<void> = Promise.resolve();

  constructor() {
    this.backend = {
      name: 'held',
      description: 'held',
      threads: 1,
      instruments: reference.instruments,
      createParameters: (...args) => reference.createParameters(...args),
      compileTraining: (options) => reference.compileTraining(options),
      compile: async (options) => {
        const program = await reference.compile(options);
        const run = program.forward.bind(program);
        const forward = (input: Float32Array) => this.#gate.then(() => run(input));
        return Object.assign(program, { forward });
      },
    };
  }

  close(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#open();
  }
}

const RECIPE = `data: /home/somebody/photos
config: A
width: 0.25
crop: 32
scale: 36
iterations: 100
`;

/** A line of metrics.jsonl. */
export function line(iteration: number, kind: 'train' | 'validation' = 'train', top1Error = 0.5): string {
  const errors = { loss: 1.5, top1Error, top5Error: 0.1 };
  const rest = kind === 'train' ? { imagesPerSecond: 100 } : { images: 20 };
  const time = { iteration, epoch: iteration / 10, seconds: 3 };
  return `${JSON.stringify({ kind, ...time, ...errors, learningRate: 0.01, ...rest })}\n`;
}

/** A run folder as training leaves it, without weights. */
export async function writeRun(folder: string, files: Readonly<Record<string, string>> = {}): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFiles(folder, { 'recipe.yaml': RECIPE, ...files });
}
