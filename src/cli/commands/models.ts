import { UsageError } from '../../core/errors.ts';
import { formatBytes } from '../../report/format.ts';
import { tableOf } from '../../report/table.ts';
import { listDownloaded, removeDownloaded } from '../../weights/download/model-cache.ts';
import { downloadFolder, parseModelName } from '../../weights/download/model-name.ts';
import {
  TORCHVISION_LICENSE,
  torchvisionFile,
  torchvisionNames,
} from '../../weights/download/torchvision.ts';
import { type FlagsOf, newCommand } from '../command.ts';
import { json } from '../options.ts';
import { printAs } from '../output.ts';

const options = { json };
type Flags = FlagsOf<typeof options>;

/** `vgg models`: the models that have names. */
export const command = newCommand('models', {
  description:
    'List the models that were downloaded by name and those that torchvision publishes, with their sizes and licenses, or remove downloaded ones.',
  examples: ['models', 'models --json', 'models remove torchvision/vgg16'],
  options,
})
  .argument('[remove]', 'the word remove, to delete the models that follow')
  .argument('[names...]', 'names of downloaded models')
  .action(models);

/** A model that `--model` can name. */
interface NamedModel {
  readonly name: string;
  /** In bytes; approximate unless it was downloaded. */
  readonly bytes: number;
  readonly license?: string;
  readonly source: string;
  /** Commit of a repository. */
  readonly revision?: string;
  /** The file; absent if it was not downloaded. */
  readonly path?: string;
}

async function models(action: string | undefined, names: readonly string[], flags: Flags): Promise<void> {
  if (action === undefined) return printAs({ models: await namedModels() }, flags, formatModels);
  if (action !== 'remove' || names.length === 0) {
    throw new UsageError('write `vgg models` to list models, or `vgg models remove NAME` to delete them');
  }
  const removed: { name: string; bytes: number }[] = [];
  for (const name of names) {
    const parsed = parseModelName(name);
    if (!parsed)
      throw new UsageError(`${name} is a file, which verydeep did not download; delete it yourself`);
    removed.push({ name, bytes: await removeDownloaded(name, downloadFolder(parsed)) });
  }
  printAs({ removed }, flags, () =>
    removed.map(({ name, bytes }) => `Removed ${name}: ${formatBytes(bytes)}.`).join('\n'),
  );
}

async function namedModels(): Promise<NamedModel[]> {
  const downloaded = await listDownloaded();
  const published = torchvisionNames.map((name): NamedModel => {
    const { bytes, url } = torchvisionFile(name);
    return { name: `torchvision/${name}`, bytes, license: TORCHVISION_LICENSE, source: url };
  });
  const others = published.filter(({ name }) => downloaded.every((model) => model.name !== name));
  return [
    ...downloaded.map(({ name, bytes, license, source, revision, path }) => ({
      ...{ name, bytes, license, source, revision, path },
    })),
    ...others,
  ];
}

function formatModels({ models: found }: { readonly models: readonly NamedModel[] }): string {
  const table = tableOf(found, [
    ['model', ({ name }) => name],
    ['size', ({ bytes }) => formatBytes(bytes), 'right'],
    ['license', ({ license }) => license ?? 'not stated'],
    ['downloaded', ({ path }) => (path === undefined ? '' : 'yes')],
  ]);
  return `${table}\nAny model of the Hugging Face hub: hf:OWNER/REPOSITORY, with @REVISION and :FILE if needed.`;
}
