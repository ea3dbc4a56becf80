import { useMemo, useState } from 'preact/hooks';
import type { ActivationsResponse } from '../../../src/serve/contract/activations.ts';
import type { LayerInfo, ModelInfo } from '../../../src/serve/contract/model.ts';
import { postImage } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { magma } from '../draw/colours.ts';
import { Legend } from '../draw/legend.tsx';
import type { Picture } from '../state/picture.ts';
import { Choice } from '../ui/choice.tsx';
import { count, figure } from '../ui/format.ts';
import { Answer } from '../ui/notices.tsx';
import { bytesOf } from './bytes.ts';
import { ChannelMaps, type Range, type Region, seenOf } from './channel-maps.tsx';
import { Values } from './values.tsx';

interface ActivationsProps {
  readonly model: ModelInfo;
  readonly layer: LayerInfo;
  readonly picture: Picture;
}

const VIEWS = [
  ['center', 'centre crop'],
  ['whole', 'whole image'],
] as const;
const RANGES = [
  ['own', "each channel's own"],
  ['common', 'one for all'],
] as const satisfies readonly (readonly [Range, string])[];

/** What a layer makes of the picture: its channels of the largest maxima. */
export function Activations({ model, layer, picture }: ActivationsProps) {
  const [view, setView] = useState<(typeof VIEWS)[number][0]>('center');
  const [range, setRange] = useState<Range>('own');
  const query = { layer: layer.name, view, model: model.name };
  const answer = useRequest(`${picture.id} ${JSON.stringify(query)}`, (signal) =>
    postImage<ActivationsResponse>('v1/activations', picture.file, query, signal),
  );
  /** Single values have bars instead of colours. */
  const hasExtent = answer.state !== 'done' || answer.value.shape[1] * answer.value.shape[2] > 1;
  return (
    <>
      <div class="controls">
        <Choice legend="What it sees" options={VIEWS} value={view} onChange={setView} />
        {hasExtent && <Choice legend="Colours span" options={RANGES} value={range} onChange={setRange} />}
      </div>
      <Answer of={answer} what={`the activations of ${layer.name}`}>
        {(activations) => (
          <Shown
            activations={activations}
            range={range}
            labels={labelsOf(model, layer)}
            picture={picture}
            seen={seenOf(model, picture.pixels, view)}
          />
        )}
      </Answer>
    </>
  );
}

/** The last layer's channels are the classes. */
function labelsOf({ layers, labels }: ModelInfo, { name }: LayerInfo): readonly string[] | undefined {
  const last = layers.findLast(({ kind }) => kind === 'convolution');
  return last?.name === name ? labels : undefined;
}

interface ShownProps {
  readonly activations: ActivationsResponse;
  readonly range: Range;
  readonly labels: readonly string[] | undefined;
  readonly picture: Picture;
  readonly seen: Region;
}

function Shown({ activations, range, labels, picture, seen }: ShownProps) {
  const { shape, channelIndices, channelMaximum, minimum, maximum, maps } = activations;
  const [channels, height, width] = shape;
  const isMap = height * width > 1;
  const bytes = useMemo(() => bytesOf(maps), [maps]);
  return (
    <>
      <p class="hint" role="status">
        {count(channels)} channels of {width} × {height}
        {channelIndices.length < channels &&
          `; the ${channelIndices.length} with the largest values are shown`}
        . Values from {figure(minimum)} to {figure(maximum)}
        {!isMap && minimum < 0 && ' (the negative ones in orange)'}.
      </p>
      {isMap ? (
        <>
          <Legend
            colours={magma}
            title="Activation"
            from="0"
            to={range === 'own' ? "the channel's maximum" : figure(maximum)}
          />
          <ChannelMaps activations={activations} bytes={bytes} range={range} picture={picture} seen={seen} />
        </>
      ) : (
        <Values indices={channelIndices} values={channelMaximum} labels={labels} />
      )}
    </>
  );
}
