/** 0, 1, 2, … below `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

export async function arrayOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const array: T[] = [];
  for await (const item of items) array.push(item);
  return array;
}

/** One property of each item. */
// biome-ignore lint/suspicious/noExplicitAny: items from JSON have any type
export function pluck<T extends Readonly<Record<string, any>>, K extends keyof T>(
  items: readonly T[],
  key: K,
): T[K][] {
  return items.map((item) => item[key]);
}

export function ascending(numbers: Iterable<number>): number[] {
  return [...numbers].sort((a, b) => a - b);
}
