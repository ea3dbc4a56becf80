/** The kernels that can compute a convolution, and the default among them, which is used where nothing was measured. */
import type { GpuParameters } from '../gpu-parameters.ts';
import { type Tile, tileName } from '../shaders/product.ts';
import type { TileSize } from '../shaders/winograd-scheme.ts';
import { batchPixelsOf, coversMap, type PlacedConvolution, vectorsOf } from '../stages.ts';
import type { CandidateTiles, TileChoice } from './candidate-tiles.ts';

/** What a convolution's kernel computes: the output, the input's gradient, or the weights' gradient. */
export type Direction = 'forward' | 'backward' | 'weights';

export type Choice =
  /** `splits`: the number of parts of the sum, where there are few results. Default: 1. */
  | { readonly method: 'direct'; readonly tile: Tile; readonly splits?: number }
  /** F(size×size, 3×3). `tile` is for its products. */
  | { readonly method: 'winograd'; readonly size: TileSize; readonly tile: Tile };

export type Choose = (direction: Direction, placed: PlacedConvolution) => Choice;

/** A name without spaces, equal for equal choices. */
export function choiceName(choice: Choice): string {
  const size = choice.method === 'winograd' ? choice.size : '';
  const splits = choice.method === 'direct' && choice.splits ? `-${choice.splits}` : '';
  return `${choice.method}${size}:${tileName(choice.tile)}${splits}`;
}

/** Tells which weights are stored in several panels. */
type Panels = Pick<GpuParameters, 'panelsOf'>;

/** With so few pixels in a batch's result, a GPU idles: fc6 to fc8 have one pixel per image. */
const FEW_PIXELS = 64;
/** With so few, the default choice also uses other tiles. */
const VERY_FEW_PIXELS = 16;
/** Shortest part of a sum, in vectors. */
const SHORTEST_PART = 32;

function hasFewResults(direction: Direction, placed: PlacedConvolution, most: number): boolean {
  const suits = direction === 'forward' || (direction === 'backward' && coversMap(placed));
  return suits && batchPixelsOf(placed.output) <= most;
}

/** Splits the sum into enough parts to keep the device busy. */
function fewResults(tile: Tile, busy: number, direction: Direction, placed: PlacedConvolution): Choice {
  const { stage, input, output } = placed;
  const inputVectors = stage.layer.kernel ** 2 * vectorsOf(input);
  const [depth, columns] =
    direction === 'forward' ? [inputVectors, vectorsOf(output)] : [vectorsOf(output), inputVectors];
  const down = Math.ceil(batchPixelsOf(output) / (tile.threadsY * tile.rows));
  const across = Math.ceil(columns / (tile.threadsX * tile.columns));
  const splits = Math.min(Math.ceil(busy / (down * across)), Math.floor(depth / SHORTEST_PART));
  return { method: 'direct', tile, splits: splits > 1 ? splits : undefined };
}

/** Winograd's method needs many channels on both sides, as transforms take as long for few products as for many. */
export function defaultChoice(tiles: TileChoice, parameters: Panels): Choose {
  return (direction, placed) => {
    const pixels = batchPixelsOf(placed.output);
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

/** The largest binding that every WebGPU device supports, in bytes. */
const BINDING = 128 * 2 ** 20;

/** Whether a convolution is 3×3 and every device can bind its transformed weights. */
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

/** The choices to measure, the default first. */
export function candidatesFor(
  { tiles: defaults, candidates }: { readonly tiles: TileChoice; readonly candidates: CandidateTiles },
  parameters: Panels,
  direction: Direction,
  placed: PlacedConvolution,
): Choice[] {
  const [tiles, winograd] =
    direction === 'weights'
      ? [candidates.weightGradient, candidates.winogradWeights]
      : [candidates.gather, candidates.winograd];
  const split = hasFewResults(direction, placed, FEW_PIXELS) ? candidates.split : [];
  const all: Choice[] = [
    defaultChoice(defaults, parameters)(direction, placed),
    ...tiles.map((tile): Choice => ({ method: 'direct', tile })),
    ...split.map((tile) => fewResults(tile, defaults.busy, direction, placed)),
    ...(suitsWinograd(parameters, placed) ? winograd : []).map(
      (choice): Choice => ({ method: 'winograd', ...choice }),
    ),
  ];
  return [...new Map(all.map((choice) => [choiceName(choice), choice])).values()];
}
