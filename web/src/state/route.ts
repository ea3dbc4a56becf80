/** The page's addresses: `#/classify`, `#/layers/LAYER`, `#/train`, `#/runs/ID`, `#/weights`, `#/api`, with parameters after a `?`. */
import { useEffect, useState } from 'preact/hooks';

export const VIEWS = ['classify', 'layers', 'train', 'runs', 'weights', 'api'] as const;
export type View = (typeof VIEWS)[number];

export const VIEW_NAMES: Readonly<Record<View, string>> = {
  classify: 'Classify',
  layers: 'Layers',
  train: 'Train',
  runs: 'Runs',
  weights: 'Weights',
  api: 'API',
};

export interface Route {
  readonly view: View;
  /** A layer or a run within the view. */
  readonly item: string | undefined;
  readonly parameters: URLSearchParams;
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view, item] = path.split('/');
  return {
    // Layers were below #/inside in 0.1.
    view: VIEWS.find((name) => name === view) ?? (view === 'inside' ? 'layers' : 'classify'),
    item: item ? decoded(item) : undefined,
    parameters: new URLSearchParams(query),
  };
}

export function hrefOf(view: View, item?: string, parameters: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(parameters).toString();
  return `#/${view}${item ? `/${encodeURIComponent(item)}` : ''}${query ? `?${query}` : ''}`;
}

/** Navigates to an address, like a click on a link. */
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

/** Decodes a part of an address; leaves one with broken escapes unchanged. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
