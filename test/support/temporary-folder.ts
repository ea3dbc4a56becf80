import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for what several tests share; whoever makes it removes it. */
export class TemporaryFolder {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'verydeep-test-'));

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}
