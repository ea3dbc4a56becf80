/** The kernels that a convolution may be computed with, and which of them is taken where nothing was measured. */
import type { ConvolutionLayer } from '../../core/layer.ts';
import type { GpuParameters } from './parameters.ts';
import { type Tile, tileName } from './shaders/tile.ts';
import type { TileSize } from './shaders/winograd-scheme.ts';
import { type PlacedStage, pixelsOf, vectorsOf } from './stages.ts';
import type { CandidateTiles, TileChoice } from './tiles.ts';

/** Forward, to the input's gradient, and to the weights'. */
export type Direction = 'forward' | 'backward' | 'weights';

export type Choice =
  /** `splits`: the sum is cut into so many parts, where there are few results; else 1. */
  | { readonly method: 'direct'; readonly tile: Tile; readonly splits?: number }
  /** F(size×size, 3×3); the tile is the products'. */
  | { readonly method: 'winograd'; readonly size: TileSize; readonly tile: Tile };

export type Choose = (direction: Direction, placed: PlacedConvolution) => Choice;

export type PlacedConvolution = PlacedStage & {
  readonly stage: { readonly kind: 'convolution'; readonly layer: ConvolutionLayer; readonly relu: boolean };
};

export function isConvolution(placed: PlacedStage): placed is PlacedConvolution {
  return placed.stage.kind === 'convolution';
}

/** A word, the same for equal choices. */
export function choiceName(choice: Choice): string {
  const size = choice.method === 'winograd' ? choice.size : '';
  const splits = choice.method === 'direct' && choice.splits ? `-${choice.splits}` : '';
  return `${choice.method}${size}:${tileName(choice.tile)}${splits}`;
}

/** What tells which weights stand in several panels. */
type Panels = Pick<GpuParameters, 'panelsOf'>;

/** Pixels of a batch's result that leave a GPU idle: fc6 to fc8 have one an image. */
const FEW_PIXELS = 64;
/** So few that by rule, too, other tiles are taken. */
const VERY_FEW_PIXELS = 16;
/** A part of a sum is at least so long, in vectors. */
const SHORTEST_PART = 32;

function pixelsOfBatch({ output }: PlacedStage): number {
  return output[0] * pixelsOf(output);
}

/** Whether the kernel covers the whole map, as in fc6 to fc8: its input's gradient is that of a 1×1 convolution. */
export function isWhole({ stage, output }: PlacedConvolution): boolean {
  return stage.layer.padding === 0 && pixelsOf(output) === 1;
}

function hasFewResults(direction: Direction, placed: PlacedConvolution, most: number): boolean {
  const suits = direction === 'forward' || (direction === 'backward' && isWhole(placed));
  return suits && pixelsOfBatch(placed) <= most;
}

/** The sum is cut into parts until there are workgroups enough. */
function fewResults(tile: Tile, busy: number, direction: Direction, placed: PlacedConvolution): Choice {
  const { stage, input, output } = placed;
  const inputVectors = stage.layer.kernel ** 2 * vectorsOf(input);
  const [depth, columns] =
    direction === 'forward' ? [inputVectors, vectorsOf(output)] : [vectorsOf(output), inputVectors];
  const down = Math.ceil(pixelsOfBatch(placed) / (tile.threadsY * tile.rows));
  const across = Math.ceil(columns / (tile.threadsX * tile.columns));
  const splits = Math.min(Math.ceil(busy / (down * across)), Math.floor(depth / SHORTEST_PART));
  return { method: 'direct', tile, ...(splits > 1 && { splits }) };
}

/** Winograd's method pays where both channels are many, as its transforms cost as much for few products as for many. */
export function usualChoice(tiles: TileChoice, parameters: Panels): Choose {
  return (direction, placed) => {
    const pixels = pixelsOfBatch(placed);
    const few = direction === 'forward' ? tiles.few : tiles.fewBackward;
    if (few && hasFewResults(direction, placed, VERY_FEW_PIXELS)) {
      const tile = few.find(({ threadsY, rows }) => threadsY * rows >= pixels) ?? few.at(-1)!;
      return fewResults(tile, tiles.busy, direction, placed);
    }
    const { inChannels, outChannels } = placed.stage.layer;
    const ofWeights = direction === 'weights';
    const winograd = ofWeights ? tiles.winogradWeights : tiles.winograd;
    return winograd &&
      Math.min(inChannels, outChannels) >= winograd.fewestChannels &&
      (!ofWeights || pixels >= tiles.winogradWeights!.fewestPixels) &&
      suitsWinograd(parameters, placed)
      ? { method: 'winograd', size: winograd.size, tile: winograd.tile }
      : { method: 'direct', tile: ofWeights ? tiles.weightGradient : tiles.gather };
  };
}

/** 3×3, with weights that every device can bind when they are transformed. */
function suitsWinograd(parameters: Panels, { stage, input, output }: PlacedConvolution): boolean {
  const { name, kernel, padding } = stage.layer;
  const transformed = 36 * 64 * vectorsOf(input) * vectorsOf(output);
  return (
    kernel === 3 &&
    padding <= 2 &&
    transformed <= BINDING &&
    parameters.panelsOf(`${name}.weight`).length === 1
  );
}

/** WebGPU's least limit of what a kernel can see of a buffer, in bytes. */
const BINDING = 128 * 2 ** 20;

/** What is measured against each other, the usual choice first. */
export function candidatesFor(
  { tiles: usual, candidates }: { readonly tiles: TileChoice; readonly candidates: CandidateTiles },
  parameters: Panels,
  direction: Direction,
  placed: PlacedConvolution,
): Choice[] {
  const [tiles, winograd] =
    direction === 'weights'
      ? [candidates.weightGradient, candidates.winogradWeights]
      : [candidates.gather, candidates.winograd];
  const all: Choice[] = [
    usualChoice(usual, parameters)(direction, placed),
    ...tiles.map((tile): Choice => ({ method: 'direct', tile })),
    ...(hasFewResults(direction, placed, FEW_PIXELS)
      ? candidates.split.map((tile) => fewResults(tile, usual.busy, direction, placed))
      : []),
    ...(suitsWinograd(parameters, placed)
      ? winograd.map((choice): Choice => ({ method: 'winograd', ...choice }))
      : []),
  ];
  return all.filter(
    (choice, at) => all.findIndex((other) => choiceName(other) === choiceName(choice)) === at,
  );
}
