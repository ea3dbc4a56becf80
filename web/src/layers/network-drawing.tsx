import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { hrefOf } from '../state/route.ts';
import { plural } from '../ui/display-values.ts';
import { drawnLayers, paperName } from './layer-table.tsx';

const HEIGHT = 150;
const GAP = 15;
const THINNEST = 14;
const THICKEST = 62;
const SLANT = 0.22; // a slab's depth as a share of its height

/** Draws the network from image to classes. Each layer is a slab whose height reflects the map's side. */
export function NetworkDrawing({ model }: { readonly model: ModelInfo }) {
  const layers = drawnLayers(model);
  const most = Math.max(...layers.map(({ outputShape: [channels] }) => channels));
  let x = 0;
  const slabs = layers.map((layer) => {
    const [channels, side] = layer.outputShape;
    const width = THINNEST + (THICKEST - THINNEST) * Math.sqrt(channels / most);
    const height = Math.max(5, 0.78 * HEIGHT * Math.sqrt(side / model.crop));
    const slab = { layer, x, width, height, depth: SLANT * height };
    x += width + 0.8 * slab.depth + GAP;
    return slab;
  });
  const last = slabs.at(-1)!;
  const total = last.x + last.width + last.depth;
  return (
    <section class="network-drawing" aria-labelledby="network">
      <h2 id="network">Network</h2>
      <svg viewBox={`0 0 ${total} ${HEIGHT}`} role="img" aria-label={describe(model)}>
        {slabs.map(({ layer, ...slab }) => (
          <Slab key={layer.name} {...slab} kind={layer.kind} title={`${layer.name}: ${paperName(layer)}`} />
        ))}
      </svg>
      <p class="hint">
        {describe(model)} <a href={hrefOf('layers')}>Show its layers</a>
      </p>
    </section>
  );
}

interface SlabProps {
  readonly x: number;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly kind: string;
  readonly title: string;
}

function Slab({ x, width, height, depth, kind, title }: SlabProps) {
  const top = (HEIGHT - height + depth / 2) / 2;
  const bottom = top + height - depth / 2;
  const [right, rise] = [x + width, depth / 2];
  return (
    <g class={`slab ${kind}`}>
      <title>{title}</title>
      <path class="front" d={`M${x} ${top}H${right}V${bottom}H${x}Z`} />
      <path class="roof" d={`M${x} ${top}l${depth} ${-rise}h${width}L${right} ${top}Z`} />
      <path class="side" d={`M${right} ${top}l${depth} ${-rise}V${bottom - rise}L${right} ${bottom}Z`} />
    </g>
  );
}

function describe({ config, crop, layers, classes }: ModelInfo): string {
  const [poolings, convolutions] = [
    layers.filter(({ kind }) => kind === 'maxPool').length,
    layers.filter(({ kind, name }) => kind === 'convolution' && name.startsWith('conv')).length,
  ];
  return (
    `Network ${config}: ${convolutions} convolutional and ${poolings} pooling layers turn a crop of ${crop} × ${crop} ` +
    `pixels into smaller maps with more channels; fully connected layers then score ${plural(classes, 'class', 'classes')}.`
  );
}
