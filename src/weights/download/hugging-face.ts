/**
 * Models on the Hugging Face hub. Of a repository only weights, their index, and the JSON files that describe classes
 * and preprocessing are downloaded; nothing in it is run. The environment variables are those of Hugging Face's own
 * library: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */
import { existsSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../core/errors.ts';
import { readBytes } from '../../core/files.ts';
import { discard, HttpError, type HttpResponse, openUrl, readBody } from '../../core/http.ts';
import { isSafePath } from '../../core/paths.ts';
import { shardsOf } from '../formats/sharded/shard-index.ts';
import { DESCRIPTIONS, HUB_FILES } from '../labels/hub-config.ts';
import { type DownloadListener, downloadFile, LARGEST_MODEL, statusError } from './download-file.ts';
import { hubSettings, hubSnapshot, readHubRef } from './hub-settings.ts';
import { type DownloadedModel, recordDownload } from './model-cache.ts';
import type { ModelName } from './model-name.ts';
import type { ExpectedFile } from './verify-download.ts';

type HubName = Extract<ModelName, { kind: 'hub' }>;

const LARGEST_JSON = 16 * 2 ** 20;
const COMMIT = /^[0-9a-f]{40}$/;

const EXTENSIONS = /\.(safetensors|bin|pth|pt|onnx|keras|h5|caffemodel|npz|mat)$/;

/**
 * What needs no request: a model by commit, and any model while HF_HUB_OFFLINE is set.
 * @throws UserError when HF_HUB_OFFLINE is set and the model is not there.
 */
export async function findOfflineOnHub(
  name: HubName,
  downloaded: DownloadedModel | undefined,
): Promise<string | undefined> {
  const { offline } = hubSettings();
  if (!offline && !COMMIT.test(name.revision)) return undefined;
  const path = downloaded?.path ?? (await inHubCache(name));
  if (path !== undefined || !offline) return path;
  throw new UserError(
    `hf:${name.repository} at ${name.revision} was not downloaded yet, and HF_HUB_OFFLINE is set; unset it to download`,
  );
}

/** The file in the cache of Hugging Face's own library, if all its parts are there. */
export async function inHubCache({ repository, revision, file }: HubName): Promise<string | undefined> {
  const commit = COMMIT.test(revision) ? revision : readHubRef(repository, revision);
  if (commit === undefined || !COMMIT.test(commit)) return undefined;
  const folder = hubSnapshot(repository, commit);
  const name = file ?? HUB_FILES.find((candidate) => existsSync(join(folder, candidate)));
  if (name === undefined || !existsSync(join(folder, name))) return undefined;
  const path = join(folder, name);
  if (!name.endsWith('.index.json')) return path;
  const shards = shardsOf(path, await readBytes(path));
  return shards.every((shard) => existsSync(join(dirname(path), shard))) ? path : undefined;
}

interface HubDownload extends DownloadListener {
  readonly name: string;
  readonly parsed: HubName;
  /** The folder of all models, and that of the repository. */
  readonly folder: string;
  readonly place: string;
  readonly before: DownloadedModel | undefined;
  readonly retryMs?: number;
}

/**
 * Downloads a model unless its newest commit is there.
 * @throws UserError naming the repository and the remedy.
 */
export async function downloadFromHub(options: HubDownload): Promise<{ readonly path: string }> {
  const { name, parsed, folder, place, before, onNote } = options;
  try {
    const repository = await HubRepository.open(parsed);
    if (before?.revision === repository.commit) return before;
    const pinned = { ...parsed, revision: repository.commit };
    const file = parsed.file ?? (await repository.chooseFile());
    const cached = await inHubCache({ ...pinned, file });
    if (cached !== undefined) return { path: cached };
    const paths = await repository.download(file, join(place, repository.commit), options);
    const { license, page: source, commit: revision } = repository;
    return await recordDownload(folder, { name, source, license, revision }, paths);
  } catch (error) {
    if (!(error instanceof HttpError) || !error.temporary) throw error;
    const path = before?.path ?? (await inHubCache(parsed));
    if (path === undefined) throw error;
    onNote?.(`using the copy of ${name} from an earlier download: ${error.message}`);
    return { path };
  }
}

const listing = z.object({
  sha: z.string().regex(COMMIT),
  siblings: z.array(z.object({ rfilename: z.string() })).default([]),
  tags: z.array(z.string()).default([]),
});

/** A repository at one commit. */
class HubRepository {
  readonly commit: string;
  readonly license: string | undefined;
  /** Undefined if the server does not list them. */
  readonly #files: ReadonlySet<string> | undefined;
  readonly #name: HubName;

  private constructor(name: HubName, commit: string, facts?: z.infer<typeof listing>) {
    this.#name = name;
    this.commit = commit;
    this.#files = facts && new Set(facts.siblings.map(({ rfilename }) => rfilename).filter(isSafePath));
    this.license = facts?.tags.find((tag) => tag.startsWith('license:'))?.slice('license:'.length);
  }

  static async open(name: HubName): Promise<HubRepository> {
    const { endpoint, token, allowUnencrypted } = hubSettings();
    const { repository, revision } = name;
    const url = `${endpoint}/api/models/${repository}/revision/${encodeURIComponent(revision)}`;
    const response = await openUrl(url, { token, allowUnencrypted });
    const text = await readBody(response, LARGEST_JSON);
    if (response.status === 404 && response.headers['x-error-code'] === undefined) {
      return new HubRepository(name, await commitOf(name));
    }
    if (response.status !== 200) throw hubError(name, response);
    try {
      const facts = listing.parse(JSON.parse(text.toString('utf8')));
      return new HubRepository(name, facts.sha, facts);
    } catch (error) {
      throw new UserError(
        `${response.url.host} did not describe hf:${repository} as the Hugging Face hub does; check HF_ENDPOINT`,
        { cause: error },
      );
    }
  }

  get page(): string {
    return `${hubSettings().endpoint}/${this.#name.repository}`;
  }

  /** @throws UserError naming the files unless one of them is clearly the model. */
  async chooseFile(): Promise<string> {
    const { repository } = this.#name;
    if (!this.#files) {
      for (const name of HUB_FILES) if (await this.#has(name)) return name;
      throw new UserError(
        `hf:${repository} has none of ${HUB_FILES.join(', ')}; name its file: hf:${repository}:FILE`,
      );
    }
    const preferred = HUB_FILES.find((name) => this.#files!.has(name));
    if (preferred !== undefined) return preferred;
    const candidates = [...this.#files].filter((name) => EXTENSIONS.test(name));
    const safe = candidates.filter((name) => name.endsWith('.safetensors'));
    const [only, ...others] = safe.length > 0 ? safe : candidates;
    if (only !== undefined && others.length === 0) return only;
    throw new UserError(
      only === undefined
        ? `hf:${repository} has no file of weights that verydeep reads; it has ${[...this.#files].slice(0, 8).join(', ') || 'no files'}`
        : `hf:${repository} has several files of weights; name one: ${candidates
            .map((name) => `hf:${repository}:${name}`)
            .slice(0, 8)
            .join(', ')}`,
    );
  }

  /** Downloads a file, its shards and descriptions. @returns their paths, the file's first */
  async download(file: string, target: string, options: HubDownload): Promise<[string, ...string[]]> {
    const path = await this.#fetch(file, target, options);
    const beside = (name: string) => posix.join(posix.dirname(file), name);
    const paths: [string, ...string[]] = [path];
    if (file.endsWith('.index.json')) {
      for (const shard of shardsOf(path, await readBytes(path))) {
        paths.push(await this.#fetch(beside(shard), target, options));
      }
    }
    for (const name of DESCRIPTIONS.map(beside)) {
      if (await this.#has(name)) paths.push(await this.#fetch(name, target, options));
    }
    return paths;
  }

  async #has(file: string): Promise<boolean> {
    if (this.#files) return this.#files.has(file);
    const response = await headOf(this.#name, this.commit, file);
    return response.status < 400;
  }

  async #fetch(file: string, target: string, { onDownload, retryMs }: HubDownload): Promise<string> {
    const path = join(target, ...file.split('/'));
    if (existsSync(path)) return path;
    const head = await headOf(this.#name, this.commit, file);
    if (head.status >= 400) throw hubError(this.#name, head, file);
    await downloadFile({
      url: fileUrl(this.#name, this.commit, file),
      path,
      expected: expectedOf(head),
      token: hubSettings().token,
      allowUnencrypted: hubSettings().allowUnencrypted,
      limit: file.endsWith('.json') ? LARGEST_JSON : LARGEST_MODEL,
      onProgress: (done, total) => onDownload?.(file, done, total),
      refusal: (response) => hubError(this.#name, response, file),
      retryMs,
    });
    return path;
  }
}

function fileUrl({ repository }: HubName, revision: string, file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/');
  return `${hubSettings().endpoint}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
}

/** The hub's own response about a file, before it redirects to where the content is. */
async function headOf(name: HubName, revision: string, file: string): Promise<HttpResponse> {
  const { token, allowUnencrypted } = hubSettings();
  const url = fileUrl(name, revision, file);
  const response = await openUrl(url, { method: 'HEAD', token, allowUnencrypted, stayAtOrigin: true });
  await discard(response);
  if (response.status < 500 && response.status !== 429) return response;
  throw new HttpError(`${response.url.host} is busy (status ${response.status}); try again later`, true);
}

/** The commit of a revision on a server that lists no files: each file's response names it. */
async function commitOf(name: HubName): Promise<string> {
  for (const file of name.file === undefined ? HUB_FILES : [name.file]) {
    const response = await headOf(name, name.revision, file);
    const commit = response.headers['x-repo-commit'];
    if (response.status < 400 && commit !== undefined && COMMIT.test(commit)) return commit;
    if (response.status !== 404 || response.headers['x-error-code'] === 'RepoNotFound')
      throw hubError(name, response, file);
  }
  throw new UserError(
    `hf:${name.repository} at ${name.revision} has no ${name.file ?? HUB_FILES.join(', ')}; check the name`,
  );
}

/** Large files are named by their SHA-256, small ones by Git's SHA-1. */
function expectedOf({ status, headers }: HttpResponse): ExpectedFile {
  const tag = (headers['x-linked-etag'] ?? headers.etag ?? '').replace(/^W\//, '').replaceAll('"', '');
  const size = headers['x-linked-size'] ?? (status === 200 ? headers['content-length'] : undefined);
  return {
    bytes: size !== undefined && /^\d+$/.test(size) ? Number(size) : undefined,
    sha256: /^[0-9a-f]{64}$/.test(tag) ? tag : undefined,
    gitSha1: COMMIT.test(tag) ? tag : undefined,
  };
}

function hubError(name: HubName, response: HttpResponse, file?: string): UserError {
  const { status, headers } = response;
  const code = headers['x-error-code'];
  const what = `hf:${name.repository}`;
  const { token, endpoint } = hubSettings();
  if (code === 'GatedRepo' || status === 403) {
    return new UserError(
      `${what} is gated: accept its conditions at ${endpoint}/${name.repository}, and set HF_TOKEN to a token of that account`,
    );
  }
  if (status === 401 || code === 'RepoNotFound') {
    return new UserError(
      token === undefined
        ? `${what} does not exist or is private; check the name, or set HF_TOKEN`
        : `${what} does not exist, or HF_TOKEN gives no access to it; check both`,
    );
  }
  if (code === 'RevisionNotFound')
    return new UserError(`${what} has no revision ${name.revision}; check the name`);
  if (status === 404) {
    return new UserError(
      file === undefined
        ? `${what} does not exist at revision ${name.revision}; check the name`
        : `${what} at ${name.revision} has no file ${file}; check the name`,
    );
  }
  if (status === 429 || status >= 500)
    return new HttpError(`${response.url.host} is busy (status ${status}); try again later`, true);
  return statusError(response);
}
