import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';

export type Alignment = 'left' | 'center' | 'right';

/** A cell, or one that spans several columns. */
export type Cell = string | { readonly content: string; readonly columns: number };

export interface TableOptions {
  readonly head?: readonly string[];
  /** Alignment of each column (default: left). */
  readonly align?: readonly Alignment[];
  /** Lines between all rows, and narrow columns (default: only a line under the head). */
  readonly grid?: boolean;
}

/** Columns of the terminal; unlimited where there is none (saved tables stay whole) or its size is unknown (0 under mpirun). */
function terminalColumns(): number {
  return process.stdout.columns || Number.POSITIVE_INFINITY;
}

/**
 * Draws a table as plain text without colors. Cells may have several lines. In a terminal that is too narrow, a table with
 * a head gets its titles word below word; if that is not enough, its first cells become headings of smaller tables where
 * several rows belong to each, and otherwise it becomes a list: the cells of a row below each other, after their titles.
 * @param columns width of the terminal
 */
export function formatTable(
  rows: readonly (readonly Cell[])[],
  options: TableOptions = {},
  columns: number = terminalColumns(),
): string {
  const fits = (drawn: string) => drawn.split('\n').every((line) => widthOf(line) <= columns);
  const text = drawTable(rows, options);
  const { head, align = [], grid } = options;
  if (fits(text) || !head || grid) return text;
  const narrow = drawTable(rows, { ...options, head: head.map((title) => title.replaceAll(' ', '\n')) });
  if (fits(narrow)) return narrow;
  const groups = groupsOf(rows);
  if (groups.some(({ length }) => length > 1)) {
    const others = { head: head.slice(1), align: align.slice(1) };
    const tableOfGroup = (group: readonly (readonly Cell[])[]) =>
      formatTable(
        group.map((row) => row.slice(1)),
        others,
        columns,
      );
    return groups.map((group) => `${group[0]![0]}\n${tableOfGroup(group)}`).join('\n');
  }
  const titles = head.map((title) => title.replaceAll('\n', ' '));
  const listOf = (row: readonly Cell[]) =>
    row.map((cell, i) => [titles[i]!, typeof cell === 'string' ? cell : cell.content] as const);
  return rows.map((row) => formatFacts(listOf(row), columns)).join('\n\n');
}

/** Rows without a first cell belong to the row above them. */
function groupsOf(rows: readonly (readonly Cell[])[]): (readonly Cell[])[][] {
  const groups: (readonly Cell[])[][] = [];
  for (const row of rows) {
    if (row[0] === '' && groups.length > 0) groups.at(-1)!.push(row);
    else groups.push([row]);
  }
  return groups;
}

function drawTable(
  rows: readonly (readonly Cell[])[],
  { head, align = [], grid = false }: TableOptions,
): string {
  const table = new Table({
    head: head && [...head],
    colAligns: [...align],
    style: { head: [], border: [], 'padding-left': 1, 'padding-right': grid ? 0 : 1, compact: !grid },
  });
  for (const row of rows) {
    table.push(
      row.map((cell) =>
        typeof cell === 'string'
          ? cell
          : { content: cell.content, colSpan: cell.columns, hAlign: 'center' as const },
      ),
    );
  }
  return table.toString();
}

/** A column of a table: its title, its cell for an item, and how it is aligned (default: left). */
export type Column<Item> = readonly [title: string, cell: (item: Item) => string, align?: Alignment];

/** Draws a table with one row per item. */
export function tableOf<Item>(items: readonly Item[], columns: readonly Column<Item>[]): string {
  return formatTable(
    items.map((item) => columns.map(([, cell]) => cell(item))),
    { head: columns.map(([title]) => title), align: columns.map(([, , align = 'left']) => align) },
  );
}

/** Draws one fact per line with aligned values: `name   value`. Longer values continue below. */
export function formatFacts(
  facts: readonly (readonly [name: string, value: string])[],
  columns: number = terminalColumns(),
): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  const indent = `\n${' '.repeat(width + 2)}`;
  return facts
    .map(([name, value]) => `${name.padEnd(width)}  ${wrapText(value, columns - width - 2).join(indent)}`)
    .join('\n');
}

/** Lines of at most 80 columns. */
export function formatParagraph(text: string, columns: number = terminalColumns()): string {
  return wrapText(text, Math.min(80, columns)).join('\n');
}

/** Columns that a text takes: codes for colors take none. */
export function widthOf(text: string): number {
  return stripVTControlCharacters(text).length;
}

/** Breaks text between words; longer words stay whole. @param width columns */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || widthOf(line) + 1 + widthOf(word) > width) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines;
}
