/** The kernels that a convolution may be computed with, and which of them is taken where nothing was measured. */
import type { ConvolutionLayer } from '../../core/layer.ts';
import { type Tile, tileName } from './shaders/tile.ts';
import type { PlacedStage } from './stages.ts';
import type { CandidateTiles, TileChoice } from './tiles.ts';

/** Forward, to the input's gradient, and to the weights'. */
export type Direction = 'forward' | 'backward' | 'weights';

export interface Choice {
  readonly method: 'direct';
  readonly tile: Tile;
}

export type Choose = (direction: Direction, placed: PlacedConvolution) => Choice;

export type PlacedConvolution = PlacedStage & {
  readonly stage: { readonly kind: 'convolution'; readonly layer: ConvolutionLayer; readonly relu: boolean };
};

export function isConvolution(placed: PlacedStage): placed is PlacedConvolution {
  return placed.stage.kind === 'convolution';
}

/** A word, the same for equal choices. */
export function choiceName({ method, tile }: Choice): string {
  return `${method}:${tileName(tile)}`;
}

export function usualChoice(tiles: TileChoice): Choose {
  return (direction) => ({
    method: 'direct',
    tile: direction === 'weights' ? tiles.weightGradient : tiles.gather,
  });
}

/** What is measured against each other, the usual choice first. */
export function candidatesFor(
  { tiles: usual, candidates }: { readonly tiles: TileChoice; readonly candidates: CandidateTiles },
  direction: Direction,
  placed: PlacedConvolution,
): Choice[] {
  const tiles = direction === 'weights' ? candidates.weightGradient : candidates.gather;
  const all = [
    usualChoice(usual)(direction, placed),
    ...tiles.map((tile): Choice => ({ method: 'direct', tile })),
  ];
  return all.filter(
    (choice, at) => all.findIndex((other) => choiceName(other) === choiceName(choice)) === at,
  );
}
