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

/** Draws a table as plain text without colors, so that it can be saved to a file. Cells may have several lines. */
export function formatTable(
  rows: readonly (readonly Cell[])[],
  { head, align = [], grid = false }: TableOptions = {},
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

/** Draws one fact per line with aligned values: `name   value`. */
export function formatFacts(facts: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
