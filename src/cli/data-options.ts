/** Options for data sets that are lists of images. */
import { UsageError } from '../core/errors.ts';
import { listLocation } from '../data/sources/lists/list-location.ts';
import { type FlagsOf, option } from './command.ts';

export const dataOptions = {
  columns: option(
    '<image,label>',
    'columns of a list of images, by name or number (default: found by their names)',
  ),
  root: option('<folder>', "folder that the paths in a list start from (default: the list's folder)"),
};

/**
 * A data set's location with the options of its list.
 * @throws UsageError for options without a data set
 */
export function dataLocation<T extends string | undefined>(data: T, flags: FlagsOf<typeof dataOptions>): T {
  if (data !== undefined) return listLocation(data, flags) as T;
  if (flags.columns === undefined && flags.root === undefined) return data;
  throw new UsageError(
    '--columns and --root apply to a list of images that is named; name the list, or leave them out',
  );
}
