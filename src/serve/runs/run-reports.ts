/**
 * HTML reports of runs. Making one evaluates a model, so they are made one at a time, and each is cached until the run
 * has another model. Meanwhile clients get a progress page that reloads itself.
 */
import { lstat } from 'node:fs/promises';
import pLimit from 'p-limit';
import { messageOf } from '../../core/errors.ts';
import type { ImageSource } from '../../data/sources/image-source.ts';
import type { FoundRun } from '../../runs/run-list.ts';
import type { TablesResponse } from '../contract/run-schemas.ts';
import { plainPage } from '../page.ts';
import { RequestError } from '../request-errors.ts';

export type Table = TablesResponse['tables'][number];

/** How src/api presents runs. Passed in, because it evaluates models and draws. */
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
  /** The results of a run as tables. */
  tables(folder: string): Promise<Table[]>;
  /**
   * Validation images of a run, with its model's class numbers, in random order.
   * @param wanted how many there should be at least, if there are as many
   * @throws UserError when the data is gone
   */
  validationImages(folder: string, wanted: number): Promise<ImageSource>;
  /** The model card of a run's model: Markdown. */
  card(folder: string): Promise<string>;
}

/** Maximum number of cached reports, each a few hundred kilobytes. */
const CACHED_REPORTS = 8;

interface ReportJob {
  /** Version of the model that the report is about. */
  readonly version: string;
  done: number;
  total: number;
  result?: { readonly html: string } | { readonly error: unknown };
}

interface ReportPage {
  readonly html: string;
  /** False if `html` is the progress page. */
  readonly ready: boolean;
}

export class Reports {
  readonly #pages: RunPages;
  readonly #closing: AbortSignal;
  readonly #log: (message: string) => void;
  readonly #limit = pLimit(1);
  /** By run, the least recently requested first. Unfinished reports stay. */
  readonly #jobs = new Map<string, ReportJob>();

  constructor(pages: RunPages, closing: AbortSignal, log: (message: string) => void) {
    this.#pages = pages;
    this.#closing = closing;
    this.#log = log;
  }

  /** @throws RequestError `not_available` if there is no model yet, or the report cannot be made. */
  async page(run: FoundRun): Promise<ReportPage> {
    const version = await versionOf(run);
    let job = this.#jobs.get(run.id);
    this.#jobs.delete(run.id);
    if (!job || job.version !== version) job = this.#start(run, version);
    this.#jobs.set(run.id, job);
    const [oldest] = this.#jobs.keys();
    if (this.#jobs.size > CACHED_REPORTS && this.#jobs.get(oldest!)?.result) this.#jobs.delete(oldest!);
    const { result } = job;
    if (!result) return { html: progressPage(job), ready: false };
    if ('html' in result) return { html: result.html, ready: true };
    // The next request tries again: the data may be back.
    this.#jobs.delete(run.id);
    throw new RequestError(
      'not_available',
      "The report could not be made; the server's log has the reason (the run's data may be gone).",
      { cause: result.error },
    );
  }

  #start({ id, folder }: FoundRun, version: string): ReportJob {
    const job: ReportJob = { version, done: 0, total: 0 };
    const onProgress = (done: number, total: number) => Object.assign(job, { done, total });
    this.#limit(() => this.#pages.report(folder.path, onProgress, this.#closing)).then(
      (html) => {
        job.result = { html };
      },
      (error: unknown) => {
        job.result = { error };
        if (!this.#closing.aborted) this.#log(`the report of ${id} could not be made: ${messageOf(error)}`);
      },
    );
    return job;
  }
}

/** A text that changes with the model. */
async function versionOf({ folder }: FoundRun): Promise<string> {
  try {
    const { mtimeMs, size } = await lstat(folder.lastFile);
    return `${mtimeMs} ${size}`;
  } catch (error) {
    throw new RequestError('not_available', 'This run has no model yet, and so no report.', { cause: error });
  }
}

function progressPage({ done, total }: ReportJob): string {
  const progress = total > 0 ? `${done} of ${total} images evaluated.` : 'Starting the evaluation.';
  return plainPage(
    'Making the report',
    `<p role="status">${progress} This page reloads every two seconds.</p>`,
    '<meta http-equiv="refresh" content="2">',
  );
}
