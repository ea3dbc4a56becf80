import { useMemo } from 'preact/hooks';
import type { ActivationsResponse } from '../../../src/serve/contract/index.ts';
import { coloured, magma } from '../draw/colours.ts';
import { Canvas } from '../ui/canvas.tsx';
import { figure } from '../ui/format.ts';
import type { Range } from './activations.tsx';

interface ChannelMapsProps {
  readonly activations: ActivationsResponse;
  /** [channelIndices, height, width], each scaled to its own maximum */
  readonly bytes: Uint8Array;
  readonly range: Range;
}

export function ChannelMaps({ activations, bytes, range }: ChannelMapsProps) {
  const { shape, channelIndices, channelMaximum, mean, maximum } = activations;
  const [, height, width] = shape;
  const images = useMemo(
    () =>
      channelIndices.map((_, i) => {
        const factor = range === 'own' || maximum <= 0 ? 1 : Math.max(0, channelMaximum[i]!) / maximum;
        const map = bytes.subarray(i * width * height, (i + 1) * width * height);
        return coloured(
          Float32Array.from(map, (byte) => (factor * byte) / 255),
          width,
          height,
          magma,
        );
      }),
    [activations, bytes, range],
  );
  return (
    <ul class="channel-maps">
      {channelIndices.map((channel, i) => (
        <li key={channel}>
          <Canvas
            label={`Channel ${channel}: at most ${figure(channelMaximum[i]!)}, ${figure(mean[i]!)} on average`}
            width={width}
            height={height}
            inputs={[images[i]]}
            draw={(context) => context.putImageData(images[i]!, 0, 0)}
          />
          <span aria-hidden="true">
            {channel} <small>{figure(channelMaximum[i]!)}</small>
          </span>
        </li>
      ))}
    </ul>
  );
}
