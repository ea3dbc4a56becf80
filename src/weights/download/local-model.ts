/** Finds a model's file by name: a path, or what was or is now downloaded. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { defaultCacheFolder } from '../../core/cache.ts';
import { messageOf, systemErrorCode, UserError } from '../../core/errors.ts';
import { isSafePath } from '../../core/paths.ts';
import { type DownloadListener, downloadFile, LARGEST_MODEL } from './download-file.ts';
import { downloadFromHub, findOfflineOnHub, inHubCache } from './hugging-face.ts';
import {
  type DownloadedModel,
  findDownloaded,
  modelsFolder,
  recordDownload,
  withDownloadLock,
} from './model-cache.ts';
import { downloadFolder, type ModelName, parseModelName } from './model-name.ts';
import { TORCHVISION_LICENSE, torchvisionFile } from './torchvision.ts';

/** What this process has found. A long evaluation must not change its model. */
const found = new Map<string, Promise<string>>();

/**
 * The path of a model's file. A path is returned as it is. Any other name is downloaded into the cache folder unless it
 * is there: `torchvision/vgg16`, `hf:OWNER/REPOSITORY[@REVISION][:FILE]`, `https://…`.
 * @throws UserError naming the model and the remedy.
 * @example
 * const path = await localModel('torchvision/vgg16', { onDownload: console.log });
 */
export function localModel(name: string, options: DownloadListener = {}): Promise<string> {
  const known = found.get(name);
  if (known) return known.then((path) => (existsSync(path) ? path : again()));
  return again();

  function again(): Promise<string> {
    const searched = find(name, options);
    found.set(name, searched);
    // A failed download may succeed later.
    searched.catch(() => found.delete(name));
    return searched;
  }
}

async function find(name: string, options: DownloadListener): Promise<string> {
  const parsed = parseModelName(name);
  if (!parsed) return name;
  const downloaded = await findRecorded(name);
  if (parsed.kind === 'hub') {
    const offline = await findOfflineOnHub(parsed, downloaded);
    if (offline !== undefined) return offline;
  } else if (downloaded) return downloaded.path;
  try {
    return await downloadLocked(name, parsed, downloaded, options);
  } catch (error) {
    // A cache that may only be read, as in a container, may hold the model.
    if (parsed.kind !== 'hub' || !isWritingError(error)) throw error;
    const path = downloaded?.path ?? (await inHubCache(parsed));
    if (path === undefined) throw error;
    options.onNote?.(`using the copy of ${name} from an earlier download: ${messageOf(error)}`);
    return path;
  }
}

/** What the cache folder has under a name, if there is one. */
async function findRecorded(name: string): Promise<DownloadedModel | undefined> {
  const cache = defaultCacheFolder();
  return cache === undefined ? undefined : findDownloaded(join(cache, 'models'), name);
}

function isWritingError(error: unknown): boolean {
  const code = error instanceof UserError ? systemErrorCode(error.cause) : undefined;
  return ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(code ?? '');
}

async function downloadLocked(
  name: string,
  parsed: ModelName,
  downloaded: DownloadedModel | undefined,
  options: DownloadListener,
): Promise<string> {
  const folder = await modelsFolder();
  const place = join(folder, ...downloadFolder(parsed));
  const model = await withDownloadLock(
    place,
    async () => {
      // Another process may have finished meanwhile.
      const other = parsed.kind === 'hub' ? undefined : await findDownloaded(folder, name);
      return other ?? download(name, parsed, folder, place, downloaded, options);
    },
    (holder) => options.onNote?.(`waiting for ${holder}, which is downloading ${name}`),
  );
  return model.path;
}

async function download(
  name: string,
  parsed: ModelName,
  folder: string,
  place: string,
  before: DownloadedModel | undefined,
  options: DownloadListener,
): Promise<{ readonly path: string }> {
  const { onDownload } = options;
  if (parsed.kind === 'hub') return downloadFromHub({ name, parsed, folder, place, before, ...options });
  if (parsed.kind === 'torchvision') {
    const { file, url, sha256Prefix } = torchvisionFile(parsed.name);
    const path = join(place, file);
    await downloadFile({
      url,
      path,
      limit: LARGEST_MODEL,
      // A mirror in the user's own network.
      allowUnencrypted: url.startsWith('http:'),
      expected: { sha256: sha256Prefix },
      onProgress: (done, total) => onDownload?.(file, done, total),
    });
    return recordDownload(folder, { name, source: url, license: TORCHVISION_LICENSE }, [path]);
  }
  const { url } = parsed;
  const file = fileNameOf(url);
  const path = join(place, file);
  await downloadFile({
    url,
    path,
    limit: LARGEST_MODEL,
    onProgress: (done, total) => onDownload?.(file, done, total),
  });
  return recordDownload(folder, { name, source: url }, [path]);
}

/** The last part of an address's path. @throws UserError when it is not the name of a file */
function fileNameOf(address: string): string {
  let name = '';
  try {
    name = decodeURIComponent(basename(new URL(address).pathname));
  } catch {
    // The name stays empty.
  }
  if (name !== '' && !name.includes('/') && isSafePath(name)) return name;
  throw new UserError(`${address} does not end with the name of a file; give the address of a model file`);
}
