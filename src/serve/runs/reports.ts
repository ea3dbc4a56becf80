/**
 * Reports of runs as HTML, which take an evaluation of a model to make: one at a time, each kept until the run has
 * another model. Whoever asks meanwhile gets a page that says how far it is and asks again.
 */
import { lstat } from 'node:fs/promises';
import { Limiter } from '../../core/concurrency.ts';
import { messageOf } from '../../core/errors.ts';
import { RequestError } from '../errors.ts';
import type { RunPages } from './reports.ts';
import type { FoundRun } from './runs-folder.ts';

/** Pages that are kept: some hundred kilobytes each. */
const KEPT = 8;

interface Making {
  /** Of the model that it is about. */
  readonly version: string;
  done: number;
  total: number;
  result?: { readonly html: string } | { readonly error: unknown };
}

export type ReportPage =
  | { readonly html: string; readonly ready: true }
  | { readonly html: string; readonly ready: false };

export class Reports {
  readonly #pages: RunPages;
  readonly #closing: AbortSignal;
  readonly #log: (message: string) => void;
  readonly #one = new Limiter(1);
  /** By run, the least recently asked for first. */
  readonly #making = new Map<string, Making>();

  constructor(pages: RunPages, closing: AbortSignal, log: (message: string) => void) {
    this.#pages = pages;
    this.#closing = closing;
    this.#log = log;
  }

  /** @throws RequestError `not_available` where there is no model yet, or no report can be made of it. */
  async page(run: FoundRun): Promise<ReportPage> {
    const version = await versionOf(run);
    let making = this.#making.get(run.id);
    this.#making.delete(run.id);
    if (!making || making.version !== version) making = this.#start(run, version);
    this.#making.set(run.id, making);
    const [oldest] = this.#making.keys();
    if (this.#making.size > KEPT && this.#making.get(oldest!)?.result) this.#making.delete(oldest!);
    const { result } = making;
    if (!result) return { html: waitingPage(making), ready: false };
    if ('html' in result) return { html: result.html, ready: true };
    // Another try may have more luck: the data may be back.
    this.#making.delete(run.id);
    throw new RequestError(
      'not_available',
      "The report could not be made: the server's log says why (its data may have gone).",
      { cause: result.error },
    );
  }

  #start({ id, folder }: FoundRun, version: string): Making {
    const making: Making = { version, done: 0, total: 0 };
    const onProgress = (done: number, total: number) => Object.assign(making, { done, total });
    this.#one
      .run(() => this.#pages.report(folder.path, onProgress, this.#closing))
      .then(
        (html) => {
          making.result = { html };
        },
        (error: unknown) => {
          making.result = { error };
          if (!this.#closing.aborted) this.#log(`the report of ${id} could not be made: ${messageOf(error)}`);
        },
      );
    return making;
  }
}

/** Changes with the model. */
async function versionOf({ folder }: FoundRun): Promise<string> {
  try {
    const { mtimeMs, size } = await lstat(folder.lastFile);
    return `${mtimeMs} ${size}`;
  } catch (error) {
    throw new RequestError('not_available', 'This run has no model yet, and so no report.', { cause: error });
  }
}

function waitingPage({ done, total }: Making): string {
  const progress = total > 0 ? `${done} of ${total} images have been evaluated.` : 'The evaluation begins.';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2">
<title>The report is being made</title>
<style>:root { color-scheme: light dark; } body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem; }</style>
</head>
<body><main><h1>The report is being made</h1><p role="status">${progress} This page looks again every two seconds.</p></main></body>
</html>
`;
}

//// MERGED src/serve/runs/run-pages.ts
/** What src/api makes of a run for people; handed in, since it evaluates models and draws. */
import type { TablesResponse } from '../contract/runs.ts';

export type Table = TablesResponse['tables'][number];

export interface RunPages {
  /**
   * The HTML report of a run.
   * @param folder path of the run
   * @throws UserError when it cannot be made.
   */
  report(
    folder: string,
    onProgress: (done: number, total: number) => void,
    signal: AbortSignal,
  ): Promise<string>;
  /** Its results as tables. */
  tables(folder: string): Promise<Table[]>;
}
