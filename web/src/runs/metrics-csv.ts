import type { MetricsLine } from '../../../src/serve/contract/run-schemas.ts';

/** Metrics as CSV: one line each, and a column for every key that any of them has. */
export function metricsCsv(lines: readonly MetricsLine[]): string {
  const keys = [...new Set(lines.flatMap((line) => Object.keys(line)))];
  const rows = lines.map((line) =>
    keys.map((key) => (line as unknown as Readonly<Record<string, string | number>>)[key] ?? '').join(),
  );
  return `${[keys.join(), ...rows].join('\n')}\n`;
}
