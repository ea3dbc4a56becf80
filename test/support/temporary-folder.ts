import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A folder for the tests of a file or suite, removed after the last of them. */
export class TemporaryFolder {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'verydeep-test-'));

  constructor() {
    after(() => rm(this.folder, { recursive: true, force: true }));
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }
}
