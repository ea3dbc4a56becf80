import type { FamiliarityResponse, PredictResponse } from '../../../src/serve/contract/predict-schemas.ts';
import type { RequestState } from '../api/use-request.ts';
import type { Picture } from '../state/user-files.ts';
import { milliseconds, percent } from '../ui/display-values.ts';
import { Answer } from '../ui/notices.tsx';
import { TopClasses } from '../ui/value-bars.tsx';

interface VerdictProps {
  readonly answer: RequestState<PredictResponse>;
  /** Whether the picture is like those that the model was validated on, once that is known. */
  readonly familiarity: FamiliarityResponse | undefined;
  readonly picture: Picture;
  readonly scale: number;
}

/** Below this probability, the model itself expects to be wrong more often than right. */
const SURE = 0.5;

/** The prediction in words, and the one list of the most probable classes. */
export function Verdict({ answer, familiarity, picture, scale }: VerdictProps) {
  const value = answer.state === 'done' ? answer.value : undefined;
  const image = value?.images[0];
  return (
    <>
      <p class="best-class" role="status" aria-live="polite">
        {image ? (
          <Words top={image.top} familiarity={familiarity} />
        ) : (
          <span>{answer.state === 'failed' ? 'No prediction' : 'Classifying…'}</span>
        )}
      </p>
      {picture.label !== undefined && (
        <p class="hint">
          In the data set, this image is labeled <strong>{picture.label}</strong>.
        </p>
      )}
      <Answer of={answer} what="the result">
        {() =>
          image && (
            <>
              <TopClasses label="Most probable classes" top={image.top} />
              <p class="hint">
                Dense evaluation at scale {scale}
                {value!.models.length > 1 && `, mean of ${value!.models.join(', ')}`}:{' '}
                {milliseconds(image.milliseconds)}
              </p>
            </>
          )
        }
      </Answer>
    </>
  );
}

interface WordsProps {
  readonly top: PredictResponse['images'][number]['top'];
  readonly familiarity: FamiliarityResponse | undefined;
}

function Words({ top: [best, second], familiarity }: WordsProps) {
  const name = `${best!.label} (${percent(best!.probability)})`;
  if (familiarity?.unlike) {
    return (
      <>
        <strong>Unlike anything this model knows</strong>
        <span>
          None of {familiarity.compared} validation images resembles it. The closest class is {name}, but that
          means little.
        </span>
      </>
    );
  }
  if (best!.probability < SURE) {
    return (
      <>
        <strong>Not sure</strong>
        <span>
          Perhaps {name}
          {second && ` or ${second.label} (${percent(second.probability)})`}.
        </span>
      </>
    );
  }
  return (
    <>
      <span class="visually-hidden">Most probable: </span>
      <strong>{best!.label}</strong> <span>{percent(best!.probability)}</span>
    </>
  );
}
