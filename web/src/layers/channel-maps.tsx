import { useMemo, useState } from 'preact/hooks';
import type { ActivationsResponse } from '../../../src/serve/contract/activation-schemas.ts';
import type { Size } from '../../../src/serve/contract/common-schemas.ts';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { colorImage, drawable, magma } from '../draw/colors.ts';
import { Stage } from '../draw/stage.tsx';
import type { Picture } from '../state/user-files.ts';
import { Canvas } from '../ui/canvas.tsx';
import { figure } from '../ui/display-values.ts';

/** Whether the colors span each channel's own range or one range for all channels. */
export type ColorRange = 'own' | 'common';

/** A part of the picture, as fractions of its sides. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The network's input, as in the HTTP interface. */
export type InputView = 'center' | 'whole';

/** The part of a picture that the network receives at its default scale. */
export function regionOf(
  { crop, defaultScale }: ModelInfo,
  { width, height }: Size,
  view: InputView,
): Region {
  if (view === 'whole') return { left: 0, top: 0, width: 1, height: 1 };
  const factor = defaultScale / Math.min(width, height);
  const [across, down] = [crop / (factor * width), crop / (factor * height)];
  return { left: (1 - across) / 2, top: (1 - down) / 2, width: across, height: down };
}

interface ChannelMapsProps {
  readonly activations: ActivationsResponse;
  /** [channelIndices, height, width], each scaled to its own maximum */
  readonly bytes: Uint8Array;
  readonly range: ColorRange;
  readonly picture: Picture;
  /** The part of the picture that the maps cover. */
  readonly region: Region;
}

/** Shows one channel over the picture, and all channels to choose from. */
export function ChannelMaps({ activations, bytes, range, picture, region }: ChannelMapsProps) {
  const { shape, channelIndices, channelMaximum, mean, maximum } = activations;
  const [, height, width] = shape;
  const [chosen, setChosen] = useState(0);
  const images = useMemo(
    () =>
      channelIndices.map((_, i) => {
        const factor = range === 'own' || maximum <= 0 ? 1 : Math.max(0, channelMaximum[i]!) / maximum;
        const map = bytes.subarray(i * width * height, (i + 1) * width * height);
        return colorImage(
          Float32Array.from(map, (byte) => (factor * byte) / 255),
          width,
          height,
          magma,
        );
      }),
    [activations, bytes, range],
  );
  const place = Math.min(chosen, images.length - 1);
  const description = `Channel ${channelIndices[place]}: maximum ${figure(channelMaximum[place]!)}, mean ${figure(mean[place]!)}`;
  return (
    <>
      <div class="channel">
        <Stage
          picture={picture}
          label={`${description}, over ${picture.name}`}
          inputs={[images[place], region]}
          overlay={(context, across, down) => {
            context.imageSmoothingEnabled = false;
            context.globalAlpha = 0.8;
            const { left, top, width: part, height: high } = region;
            const map = drawable(images[place]!);
            context.drawImage(map, left * across, top * down, part * across, high * down);
            context.globalAlpha = 1;
          }}
        />
        <p class="hint" role="status">
          {description}.
        </p>
      </div>
      <ul class="channel-maps">
        {channelIndices.map((channel, i) => (
          <li key={channel}>
            <button type="button" class="tile" aria-pressed={i === place} onClick={() => setChosen(i)}>
              <Canvas
                label="Map of channel"
                width={width}
                height={height}
                inputs={[images[i]]}
                draw={(context) => context.putImageData(images[i]!, 0, 0)}
              />
              <span>
                {channel} <small>{figure(channelMaximum[i]!)}</small>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
