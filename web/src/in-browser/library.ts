/** The project itself, for this device's GPU: shaders, networks, training. Fetched when it is needed. */
export type Library = typeof import('./bundle.ts');

let library: Promise<Library> | undefined;

export function loadLibrary(): Promise<Library> {
  library ??= import('./bundle.ts');
  return library;
}
