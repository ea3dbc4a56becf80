import { useId, useState } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import type { PredictResponse } from '../../../src/serve/contract/predict-schemas.ts';
import { type RequestState, useRequest } from '../api/use-request.ts';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { milliseconds } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { TopClasses } from '../ui/value-bars.tsx';
import type { Inference, Protocol } from './inference.ts';
import { protocolScales } from './scale-choices.ts';

const PROTOCOLS = [
  ['dense', 'Dense', 'the whole image, scores averaged over all positions'],
  ['crops', 'Multi-crop', 'a 5×5 grid of crops and their mirror images'],
  ['both', 'Both', 'mean of dense and multi-crop'],
  ['center', 'Center crop', 'one crop from the center; fastest'],
] as const satisfies readonly (readonly [Protocol, string, string])[];

interface ProtocolsProps {
  readonly model: ModelInfo;
  readonly inference: Inference;
  readonly picture: Picture;
  /** Whether to average over all of the server's models. */
  readonly ensemble: boolean;
}

/** Compares the predictions of the test protocols side by side, once they are asked for. */
export function Protocols(props: ProtocolsProps) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <details open={isOpen} onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary>Compare test protocols</summary>
      {isOpen && <AllProtocols {...props} />}
    </details>
  );
}

function AllProtocols({ model, inference, picture, ensemble }: ProtocolsProps) {
  const choices = protocolScales(model);
  const [wantedScales, setScales] = useState(choices[0]![0]);
  const scales = ensemble && wantedScales !== 'auto' ? String(model.defaultScale) : wantedScales;
  const base = `${inference.id} ${picture.id} ${scales} ${ensemble}`;
  const ask = (protocol: Protocol, wanted: boolean) =>
    useRequest(wanted ? `${base} ${protocol}` : undefined, (signal) =>
      inference.predict(picture, { protocol, scales, ensemble }, signal),
    );
  // One after another, the most useful first: if sent together, all would wait for the slowest.
  const dense = ask('dense', true);
  const crops = ask('crops', isSettled(dense));
  const both = ask('both', isSettled(crops));
  const center = ask('center', isSettled(both));
  const answers: Readonly<Record<Protocol, RequestState<PredictResponse>>> = { dense, crops, both, center };
  return (
    <div class="all-protocols">
      {choices.length > 1 && (
        <Choice legend="Scales (smaller sides, px)" options={choices} value={scales} onChange={setScales} />
      )}
      <div class="protocols">
        {PROTOCOLS.map(([protocol, name, description]) => (
          <ProtocolCard key={protocol} name={name} description={description} answer={answers[protocol]} />
        ))}
      </div>
    </div>
  );
}

/** Whether the next request may start. If the server is unreachable, it may not, so that this is reported only once. */
function isSettled(loading: RequestState<unknown>): boolean {
  return loading.state === 'done' || (loading.state === 'failed' && loading.code !== 'unreachable');
}

interface ProtocolCardProps {
  readonly name: string;
  readonly description: string;
  readonly answer: RequestState<PredictResponse>;
}

function ProtocolCard({ name, description, answer }: ProtocolCardProps) {
  const id = useId();
  return (
    <section class="protocol" aria-labelledby={id}>
      <h3 id={id}>{name}</h3>
      <p class="hint">{description}</p>
      {answer.state === 'idle' ? (
        <p class="notice busy">Queued</p>
      ) : (
        <Answer of={answer} what="the result">
          {({ images: [image] }) =>
            image && (
              <>
                <TopClasses label={`${name}: most probable classes`} top={image.top} />
                <p class="time">{milliseconds(image.milliseconds)}</p>
              </>
            )
          }
        </Answer>
      )}
    </section>
  );
}
