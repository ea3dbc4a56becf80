import { useMemo, useState } from 'preact/hooks';
import type { ActivationsResponse } from '../../../src/serve/contract/activation-schemas.ts';
import type { LayerInfo, ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { decodeBase64, postImage } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { magma } from '../draw/colors.ts';
import { Legend } from '../draw/legend.tsx';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { count, figure } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { ValueBars } from '../ui/value-bars.tsx';
import { ChannelMaps, type ColorRange, type InputView, type Region, regionOf } from './channel-maps.tsx';

interface ActivationsProps {
  readonly model: ModelInfo;
  readonly layer: LayerInfo;
  readonly picture: Picture;
}

const VIEWS = [
  ['center', 'center crop'],
  ['whole', 'whole image'],
] as const satisfies readonly (readonly [InputView, string])[];
const COLOR_RANGES = [
  ['own', 'per channel'],
  ['common', 'shared'],
] as const satisfies readonly (readonly [ColorRange, string])[];

/** Shows a layer's output for the picture: the channels with the largest maxima. */
export function Activations({ model, layer, picture }: ActivationsProps) {
  const [view, setView] = useState<InputView>('center');
  const [range, setRange] = useState<ColorRange>('own');
  const query = { layer: layer.name, view, model: model.name };
  const answer = useRequest(`${picture.id} ${JSON.stringify(query)}`, (signal) =>
    postImage<ActivationsResponse>('v1/activations', picture.file, query, signal),
  );
  /** Single values are drawn as bars, without colors. */
  const isMap = answer.state !== 'done' || answer.value.shape[1] * answer.value.shape[2] > 1;
  return (
    <>
      <div class="controls">
        <Choice legend="Input" options={VIEWS} value={view} onChange={setView} />
        {isMap && <Choice legend="Color range" options={COLOR_RANGES} value={range} onChange={setRange} />}
      </div>
      <Answer of={answer} what={`the activations of ${layer.name}`}>
        {(activations) => (
          <Channels
            activations={activations}
            range={range}
            labels={labelsOf(model, layer)}
            picture={picture}
            region={regionOf(model, picture.pixels, view)}
          />
        )}
      </Answer>
    </>
  );
}

/** In the last layer, channels are classes. */
function labelsOf({ layers, labels }: ModelInfo, { name }: LayerInfo): readonly string[] | undefined {
  const last = layers.findLast(({ kind }) => kind === 'convolution');
  return last?.name === name ? labels : undefined;
}

interface ChannelsProps {
  readonly activations: ActivationsResponse;
  readonly range: ColorRange;
  readonly labels: readonly string[] | undefined;
  readonly picture: Picture;
  readonly region: Region;
}

function Channels({ activations, range, labels, picture, region }: ChannelsProps) {
  const { shape, channelIndices, channelMaximum, minimum, maximum, maps } = activations;
  const [channels, height, width] = shape;
  const isMap = height * width > 1;
  const largest = Math.max(...channelMaximum.map(Math.abs), Number.EPSILON);
  const bytes = useMemo(() => decodeBase64(maps), [maps]);
  return (
    <>
      <p class="hint" role="status">
        {count(channels)} channels of {width} × {height}
        {channelIndices.length < channels && `; showing the ${channelIndices.length} with the largest values`}
        . Values range from {figure(minimum)} to {figure(maximum)}
        {!isMap && minimum < 0 && ' (negative values in orange)'}.
      </p>
      {isMap ? (
        <>
          <Legend
            colors={magma}
            title="Activation"
            from="0"
            to={range === 'own' ? 'channel maximum' : figure(maximum)}
          />
          <ChannelMaps
            activations={activations}
            bytes={bytes}
            range={range}
            picture={picture}
            region={region}
          />
        </>
      ) : (
        <ValueBars
          label="Channels with the largest values"
          class="wide"
          bars={channelIndices.map((channel, i) => ({
            key: channel,
            name: labels?.[channel] ?? `channel ${channel}`,
            value: figure(channelMaximum[i]!),
            length: channelMaximum[i]! / largest,
          }))}
        />
      )}
    </>
  );
}
