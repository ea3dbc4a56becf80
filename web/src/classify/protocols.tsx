import { useId, useState } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model.ts';
import type { PredictResponse } from '../../../src/serve/contract/predict.ts';
import { type Loading, useRequest } from '../api/use-request.ts';
import type { Picture } from '../state/picture.ts';
import { Choice } from '../ui/choice.tsx';
import { milliseconds, percent } from '../ui/format.ts';
import { Answer } from '../ui/notices.tsx';
import { TopClasses } from '../ui/top-classes.tsx';
import type { Looker } from './inference.ts';
import { protocolScales } from './scales.ts';

const PROTOCOLS = [
  ['dense', 'Dense', 'the whole image, scores averaged over all positions'],
  ['crops', 'Multi-crop', 'a 5×5 grid of crops and their mirror images'],
  ['both', 'Both', 'the mean of dense and multi-crop'],
  ['center', 'Centre crop', 'one crop in the middle, the quickest'],
] as const;
type Protocol = (typeof PROTOCOLS)[number][0];

interface ProtocolsProps {
  readonly model: ModelInfo;
  /** All that the server has. */
  readonly models: readonly ModelInfo[];
  readonly looker: Looker;
  readonly picture: Picture;
}

/** The same image by each test protocol, side by side: by one model, or by the mean of all. */
export function Protocols({ model, models, looker, picture }: ProtocolsProps) {
  const choices = protocolScales(model);
  const [wantedScales, setScales] = useState(choices[0]![0]);
  const [judges, setJudges] = useState<'one' | 'all'>('one');
  const isFusible = looker.canFuse && models.length > 1 && models.every((other) => areAlike(model, other));
  const fused = isFusible && judges === 'all';
  const scales = fused && wantedScales !== 'auto' ? String(model.defaultScale) : wantedScales;
  const base = `${looker.id} ${picture.id} ${scales} ${fused}`;
  const ask = (protocol: Protocol, wanted: boolean) =>
    useRequest(wanted ? `${base} ${protocol}` : undefined, (signal) =>
      looker.predict(picture, { protocol, scales, fused }, signal),
    );
  // One after the other, the likeliest to be read first: together they would all wait for the slowest.
  const dense = ask('dense', true);
  const crops = ask('crops', isSettled(dense));
  const both = ask('both', isSettled(crops));
  const center = ask('center', isSettled(both));
  const answers: Readonly<Record<Protocol, Loading<PredictResponse>>> = { dense, crops, both, center };
  return (
    <section class="panel" aria-labelledby="named">
      <div class="panel-head">
        <h2 id="named">What it says</h2>
        {choices.length > 1 && (
          <Choice
            legend="Scale (smaller side, pixels)"
            options={choices}
            value={scales}
            onChange={setScales}
          />
        )}
      </div>
      {isFusible && (
        <Choice legend="Judged by" options={judgesOf(model, models)} value={judges} onChange={setJudges} />
      )}
      {fused && <p class="hint">Score map and crops are those of {model.name} alone.</p>}
      <Verdict answer={dense} />
      <div class="protocols">
        {PROTOCOLS.map(([protocol, name, what]) => (
          <ProtocolCard key={protocol} name={name} what={what} answer={answers[protocol]} />
        ))}
      </div>
    </section>
  );
}

/** Whether the next may be asked for: not where the server does not answer at all, which is said once. */
function isSettled(loading: Loading<unknown>): boolean {
  return loading.state === 'done' || (loading.state === 'failed' && loading.code !== 'unreachable');
}

function judgesOf(model: ModelInfo, models: readonly ModelInfo[]) {
  return [
    ['one', model.name],
    ['all', `the mean of all ${models.length} models`],
  ] as const;
}

/** Whether two models tell the same classes apart, in whatever order. */
function areAlike(a: ModelInfo, b: ModelInfo): boolean {
  const [own, other] = [a, b].map(({ labels }) => JSON.stringify(labels.toSorted()));
  return own === other;
}

/** The answer in one line; read aloud when it comes. */
function Verdict({ answer }: { readonly answer: Loading<PredictResponse> }) {
  const value = answer.state === 'done' ? answer.value : undefined;
  const best = value?.images[0]?.top[0];
  return (
    <p class="verdict" role="status" aria-live="polite">
      {best ? (
        <>
          <span class="unseen">Most probable: </span>
          <strong>{best.label}</strong> <span>{percent(best.probability)}</span>
          {value!.models.length > 1 && <span>the mean of {value!.models.join(', ')}</span>}
        </>
      ) : (
        <span>{answer.state === 'failed' ? 'No answer' : 'Looking …'}</span>
      )}
    </p>
  );
}

interface CardProps {
  readonly name: string;
  readonly what: string;
  readonly answer: Loading<PredictResponse>;
}

function ProtocolCard({ name, what, answer }: CardProps) {
  const id = useId();
  return (
    <section class="protocol" aria-labelledby={id}>
      <h3 id={id}>{name}</h3>
      <p class="hint">{what}</p>
      {answer.state === 'idle' ? (
        <p class="notice busy">In the queue</p>
      ) : (
        <Answer of={answer} what={name.toLowerCase()}>
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
