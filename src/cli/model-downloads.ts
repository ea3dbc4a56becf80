/** Downloads the models that a command names, with a progress bar. */
import { formatBytes } from '../report/format.ts';
import { localModel } from '../weights/download/local-model.ts';
import { log } from './output.ts';
import { withBars } from './progress.ts';

/** For help: what `--model` takes besides files. */
export const MODEL_NAMES = 'torchvision/vgg16, hf:OWNER/REPOSITORY or https://…';

/**
 * Downloads models that are not in the cache folder; paths of files are left as they are.
 * @throws UserError naming the model and the remedy.
 */
export async function downloadModels(names: readonly string[]): Promise<void> {
  for (const name of names) {
    let shown = '';
    await withBars((show) =>
      localModel(name, {
        onNote: log,
        onDownload(file, done, total) {
          if (file !== shown) log(`downloading ${file} of ${name} (${formatBytes(total)})`);
          shown = file;
          show(`downloading ${file}`, done, total);
        },
      }),
    );
  }
}
