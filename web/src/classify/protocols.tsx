import { useId, useState } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import type { PredictResponse } from '../../../src/serve/contract/predict-schemas.ts';
import { type RequestState, useRequest } from '../api/use-request.ts';
import type { Picture } from '../state/user-files.ts';
import { Choice } from '../ui/choice.tsx';
import { milliseconds, percent } from '../ui/display-values.ts';
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
  /** All models of the server. */
  readonly models: readonly ModelInfo[];
  readonly inference: Inference;
  readonly picture: Picture;
}

/** Compares the predictions of the test protocols side by side, for one model or the mean of all. */
export function Protocols({ model, models, inference, picture }: ProtocolsProps) {
  const choices = protocolScales(model);
  const [wantedScales, setScales] = useState(choices[0]![0]);
  const [predictor, setPredictor] = useState<'one' | 'all'>('one');
  const hasEnsemble =
    inference.hasEnsemble && models.length > 1 && models.every((other) => haveSameClasses(model, other));
  const ensemble = hasEnsemble && predictor === 'all';
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
    <section class="panel" aria-labelledby="prediction">
      <div class="panel-head">
        <h2 id="prediction">Prediction</h2>
        {choices.length > 1 && (
          <Choice legend="Scales (smaller sides, px)" options={choices} value={scales} onChange={setScales} />
        )}
      </div>
      {hasEnsemble && (
        <Choice
          legend="Prediction of"
          options={[
            ['one', model.name],
            ['all', `mean of all ${models.length} models`],
          ]}
          value={predictor}
          onChange={setPredictor}
        />
      )}
      {ensemble && <p class="hint">The evidence map shows {model.name} only.</p>}
      <BestClass answer={dense} />
      <div class="protocols">
        {PROTOCOLS.map(([protocol, name, description]) => (
          <ProtocolCard key={protocol} name={name} description={description} answer={answers[protocol]} />
        ))}
      </div>
    </section>
  );
}

/** Whether the next request may start. If the server is unreachable, it may not, so that this is reported only once. */
function isSettled(loading: RequestState<unknown>): boolean {
  return loading.state === 'done' || (loading.state === 'failed' && loading.code !== 'unreachable');
}

/** Whether two models have the same classes, in any order. */
function haveSameClasses(a: ModelInfo, b: ModelInfo): boolean {
  const [own, other] = [a, b].map(({ labels }) => JSON.stringify(labels.toSorted()));
  return own === other;
}

/** The most probable class; screen readers announce it when it arrives. */
function BestClass({ answer }: { readonly answer: RequestState<PredictResponse> }) {
  const value = answer.state === 'done' ? answer.value : undefined;
  const best = value?.images[0]?.top[0];
  return (
    <p class="best-class" role="status" aria-live="polite">
      {best ? (
        <>
          <span class="visually-hidden">Most probable: </span>
          <strong>{best.label}</strong> <span>{percent(best.probability)}</span>
          {value!.models.length > 1 && <span>mean of {value!.models.join(', ')}</span>}
        </>
      ) : (
        <span>{answer.state === 'failed' ? 'No prediction' : 'Classifying…'}</span>
      )}
    </p>
  );
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
