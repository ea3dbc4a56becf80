/** One Parquet file: its schema, and its rows' values, read by page so that memory does not depend on row groups. */
import type { AsyncBuffer, ColumnMetaData, FileMetaData, SchemaTree } from 'hyparquet';
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { parquetHeader, readColumn } from 'hyparquet/src/column.js';
import { DEFAULT_PARSERS } from 'hyparquet/src/convert.js';
import { compressors } from 'hyparquet-compressors';
import { messageOf, UserError } from '../../../core/errors.ts';
import { type RandomAccessFile, ReadWindow, withFile } from '../../../core/random-access-file.ts';

/** Larger than any page that holds one image. */
const LARGEST_PAGE = 2 ** 30;
/** Longer than a page's header with the smallest and largest value in it, of which writers keep at most 4 KiB. */
const HEADER_BYTES = 64 * 1024;

/** Pages of a column, in all row groups. */
export interface PageIndex {
  /** `[pages + 1]`: the first row of each page, and the number of rows. */
  readonly firstRows: Float64Array;
  /** `[pages]`: where each page's header starts, in bytes. */
  readonly offsets: Float64Array;
  /** `[pages]`: bytes of header and data in the file. */
  readonly sizes: Float64Array;
  /** `[pages]`: bytes of the data in memory. */
  readonly unpackedSizes: Float64Array;
  /** `[pages]`: the row group. */
  readonly groups: Uint32Array;
  /** `[pages]`: bytes of the dictionary page at the start of the row group's column; 0 if the page needs none. */
  readonly dictionaries: Float64Array;
}

export interface ParquetFile {
  readonly path: string;
  readonly metadata: FileMetaData;
  readonly schema: SchemaTree;
  readonly rows: number;
}

/** Reads the end of a file, where its schema is. @throws UserError when it is damaged */
export function openParquet(path: string): Promise<ParquetFile> {
  return reading(path, async (file) => {
    if (file.size === 0) throw new UserError(`${path} is empty; download it again`);
    const metadata = await parquetMetadataAsync(bufferOf(file));
    return { path, metadata, schema: parquetSchema(metadata), rows: Number(metadata.num_rows) };
  });
}

/** All values of a column of small values. Reads one row group after the other. @throws UserError when it is damaged */
export function readValues({ path, metadata }: ParquetFile, column: string): Promise<unknown[]> {
  return reading(path, async (file) => {
    const values: unknown[] = [];
    let rowStart = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows);
      const options = { file: bufferOf(file), metadata, compressors, columns: [column], rowStart, rowEnd };
      for (const row of await parquetReadObjects(options)) values.push(row[column]);
      rowStart = rowEnd;
    }
    return values;
  });
}

/**
 * Finds the pages of a column by reading their headers.
 * @param column the path of the column: `image`, `bytes`
 * @throws UserError when the file is damaged
 */
export function indexPages(
  { path, metadata, rows }: ParquetFile,
  column: readonly string[],
): Promise<PageIndex> {
  return reading(path, async (file) => {
    const window = new ReadWindow(file, file.size, HEADER_BYTES);
    const firstRows: number[] = [];
    const offsets: number[] = [];
    const sizes: number[] = [];
    const unpackedSizes: number[] = [];
    const groups: number[] = [];
    const dictionaries: number[] = [];
    let groupStart = 0;
    for (const [number, group] of metadata.row_groups.entries()) {
      const chunk = columnOf(metadata, number, column);
      const { start, end } = rangeOf(chunk);
      let row = groupStart;
      let dictionary = 0;
      for (let at = start; at < end; ) {
        const bytes = await window.read(at, Math.min(HEADER_BYTES, file.size - at));
        const reader = { view: viewOf(bytes), offset: 0 };
        const header = parquetHeader(reader);
        const size = reader.offset + header.compressed_page_size;
        if (!(header.compressed_page_size >= 0) || header.uncompressed_page_size > LARGEST_PAGE) {
          throw new Error(`the page at byte ${at} has ${header.uncompressed_page_size} bytes`);
        }
        const page = header.data_page_header ?? header.data_page_header_v2;
        if (header.type === 'DICTIONARY_PAGE') dictionary = size;
        if (page !== undefined) {
          firstRows.push(row);
          offsets.push(at);
          sizes.push(size);
          unpackedSizes.push(header.uncompressed_page_size);
          groups.push(number);
          dictionaries.push(/DICTIONARY/.test(page.encoding) ? dictionary : 0);
          row += page.num_values;
        }
        at += size;
      }
      groupStart += Number(group.num_rows);
      if (row !== groupStart) throw new Error(`row group ${number} has ${row} values for ${groupStart} rows`);
    }
    return {
      firstRows: Float64Array.from([...firstRows, rows]),
      offsets: Float64Array.from(offsets),
      sizes: Float64Array.from(sizes),
      unpackedSizes: Float64Array.from(unpackedSizes),
      groups: Uint32Array.from(groups),
      dictionaries: Float64Array.from(dictionaries),
    };
  });
}

/** The values of a page, undefined for rows without one. @throws UserError when the file is damaged */
export function readPage(
  { path, metadata, schema }: ParquetFile,
  column: readonly string[],
  pages: PageIndex,
  page: number,
): Promise<readonly (Uint8Array | undefined)[]> {
  return reading(path, async (file) => {
    const chunk = columnOf(metadata, pages.groups[page]!, column);
    const schemaPath = pathIn(schema, column)!;
    const dictionary = await file.read(rangeOf(chunk).start, pages.dictionaries[page]!);
    const own = await file.read(pages.offsets[page]!, pages.sizes[page]!);
    const reader = { view: viewOf(Buffer.concat([dictionary, own])), offset: 0 };
    const rows = pages.firstRows[page + 1]! - pages.firstRows[page]!;
    const decoder = {
      pathInSchema: chunk.path_in_schema,
      type: chunk.type,
      codec: chunk.codec,
      element: schemaPath.at(-1)!.element,
      schemaPath,
      compressors,
      parsers: DEFAULT_PARSERS,
      utf8: false,
    };
    const select = { groupStart: 0, selectStart: 0, selectEnd: rows, groupRows: rows };
    const values = readColumn(reader, select, decoder).data.flatMap((part) => [...part]);
    if (values.length !== rows) throw new Error(`a page has ${values.length} values instead of ${rows}`);
    return values.map(unwrapped);
  });
}

/** A value in optional groups is in a list for each of them, which is empty without a value. */
function unwrapped(value: unknown): Uint8Array | undefined {
  if (Array.isArray(value)) return unwrapped(value[0]);
  return value instanceof Uint8Array ? value : undefined;
}

/** The nodes of the schema from its root to a column; undefined if there is none. */
export function pathIn(schema: SchemaTree, column: readonly string[]): SchemaTree[] | undefined {
  const [first, ...rest] = column;
  if (first === undefined) return [schema];
  const child = schema.children.find(({ element }) => element.name === first);
  const inner = child && pathIn(child, rest);
  return inner && [schema, ...inner];
}

function columnOf({ row_groups }: FileMetaData, group: number, column: readonly string[]): ColumnMetaData {
  const chunk = row_groups[group]!.columns.find(
    ({ meta_data }) => meta_data?.path_in_schema.join('\0') === column.join('\0'),
  );
  if (chunk?.meta_data === undefined) throw new Error(`row group ${group} has no column ${column.join('.')}`);
  return chunk.meta_data;
}

function rangeOf(chunk: ColumnMetaData): { readonly start: number; readonly end: number } {
  const start = Number(chunk.dictionary_page_offset || chunk.data_page_offset);
  return { start, end: start + Number(chunk.total_compressed_size) };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView<ArrayBufferLike> {
  return new DataView(buffer, byteOffset, byteLength);
}

function bufferOf(file: RandomAccessFile): AsyncBuffer {
  return {
    byteLength: file.size,
    slice: async (start, end = file.size) => {
      const bytes = new Uint8Array(end - start);
      await file.readInto(start, bytes);
      return bytes.buffer;
    },
  };
}

async function reading<T>(path: string, work: (file: RandomAccessFile) => Promise<T>): Promise<T> {
  try {
    return await withFile(path, work);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path} is not a complete Parquet file (${messageOf(error)}); download it again`, {
      cause: error,
    });
  }
}
