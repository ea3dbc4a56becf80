/** The page's addresses: `#/classify`, `#/inside/LAYER`, `#/train`, `#/runs/ID`, with parameters behind a `?`. */
import { useEffect, useState } from 'preact/hooks';

export const VIEWS = ['classify', 'inside', 'train', 'runs'] as const;
export type View = (typeof VIEWS)[number];

export interface Route {
  readonly view: View;
  /** What within the view: a layer, a run. */
  readonly item: string | undefined;
  readonly parameters: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, item] = path.split('/');
  return {
    view: VIEWS.find((name) => name === view) ?? 'classify',
    item: item ? decoded(item) : undefined,
    parameters: new URLSearchParams(query),
  };
}

export function hrefOf(view: View, item?: string, parameters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(parameters).toString();
  return `#/${view}${item ? `/${encodeURIComponent(item)}` : ''}${query ? `?${query}` : ''}`;
}

/** Goes to an address, as a click on a link does. */
export function go(href: string): void {
  location.hash = href;
}

export function useRoute(): Route {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const update = () => setHash(location.hash);
    addEventListener('hashchange', update);
    return () => removeEventListener('hashchange', update);
  }, []);
  return parseRoute(hash);
}

/** A part of an address as text; one that is not encoded well stays as it is. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
