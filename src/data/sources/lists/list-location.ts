/**
 * Locations of lists with options, so that a run records them with its data:
 * `labels.csv?image=file&label=breed&root=photos`.
 */
import { resolve } from 'node:path';
import { UsageError } from '../../../core/errors.ts';
import type { ChosenColumns } from './list-columns.ts';

export interface ListOptions extends ChosenColumns {
  /** The folder that the paths in the list start from (default: found from the list's folder). */
  readonly root?: string;
}

const KEYS = ['image', 'label', 'root'] as const;

/** Splits a location into path and options. @returns no options if there are none. @throws UsageError for unknown ones */
export function parseListLocation(location: string): { readonly path: string; readonly list?: ListOptions } {
  const [, path, query] = /^(.*)\?(\w+=.*)$/s.exec(location) ?? [];
  if (path === undefined) return { path: location };
  const list: Record<string, string> = {};
  for (const [key, value] of new URLSearchParams(query)) {
    if (!(KEYS as readonly string[]).includes(key)) {
      throw new UsageError(`${location}: "${key}" is not an option of a list; use ${KEYS.join(', ')}`);
    }
    list[key] = value;
  }
  return { path, list };
}

/**
 * The location of a list with options.
 * @param columns `IMAGE,LABEL`: names or numbers from 1
 * @throws UsageError unless `columns` are one or two
 */
export function listLocation(
  path: string,
  { root, columns }: { readonly root?: string; readonly columns?: string },
): string {
  const options = new URLSearchParams();
  if (columns !== undefined) {
    const [image, label, ...others] = columns.split(',');
    if (!image || others.length > 0)
      throw new UsageError(`--columns ${columns} is not IMAGE,LABEL; name two columns`);
    options.set('image', image);
    if (label) options.set('label', label);
  }
  if (root !== undefined) options.set('root', resolve(root));
  return options.size === 0 ? path : `${path}?${options}`;
}
