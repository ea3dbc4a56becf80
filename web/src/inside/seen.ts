import type { ModelInfo } from '../../../src/serve/contract/model.ts';
import type { Region } from './channel-maps.tsx';

/** What of a picture the network sees, at the scale that belongs to its training. */
export function seenOf(
  { crop, defaultScale }: ModelInfo,
  { width, height }: { readonly width: number; readonly height: number },
  view: 'center' | 'whole',
): Region {
  if (view === 'whole') return { left: 0, top: 0, width: 1, height: 1 };
  const factor = defaultScale / Math.min(width, height);
  const [across, down] = [crop / (factor * width), crop / (factor * height)];
  return { left: (1 - across) / 2, top: (1 - down) / 2, width: across, height: down };
}
