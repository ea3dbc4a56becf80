/** The settings and the cache of Hugging Face's own library. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

interface HubSettings {
  readonly endpoint: string;
  /** Whether HF_ENDPOINT is a http:// address. */
  readonly allowUnencrypted: boolean;
  readonly offline: boolean;
  readonly token?: string;
}

/** Read at each use: a program may set variables after it has loaded verydeep. */
export function hubSettings(): HubSettings {
  const { HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, HF_TOKEN_PATH } = process.env;
  const token = HF_TOKEN?.trim() || readText(HF_TOKEN_PATH ?? join(hubHome(), 'token'));
  const endpoint = (HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
  return {
    endpoint,
    allowUnencrypted: endpoint.startsWith('http:'),
    offline: /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? ''),
    token: token === '' ? undefined : token,
  };
}

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_HOME) return HF_HOME;
  try {
    return join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  } catch {
    // A user without a home folder has no such cache.
    return join('/nonexistent', 'huggingface');
  }
}

function repositoryFolder(repository: string): string {
  const cache = process.env.HF_HUB_CACHE || join(hubHome(), 'hub');
  return join(cache, `models--${repository.replace('/', '--')}`);
}

/** The commit that a revision had when the library last looked, or undefined. */
export function readHubRef(repository: string, revision: string): string | undefined {
  return readText(join(repositoryFolder(repository), 'refs', ...revision.split('/')));
}

/** The folder where the library keeps a commit's files. */
export function hubSnapshot(repository: string, commit: string): string {
  return join(repositoryFolder(repository), 'snapshots', commit);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
