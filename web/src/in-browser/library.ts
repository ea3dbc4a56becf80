/** Loads `verydeep/web`, the library for browsers, when it is first needed. */
export type Library = typeof import('../../../src/browser/index.ts');

let library: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  library ??= fetchLibrary();
  return library;
}

async function fetchLibrary(): Promise<Library> {
  // By default zod compiles its checks with eval, which the page's Content-Security-Policy forbids.
  const { config } = await import('zod/v4/core');
  config({ jitless: true });
  return import('../../../src/browser/index.ts');
}
