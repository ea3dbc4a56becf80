import { useState } from 'preact/hooks';
import type { Metrics, WebModel, WebTraining } from '../../../src/browser/index.ts';
import { sentenceOf } from '../api/client.ts';
import { saveBlob } from '../state/user-files.ts';
import { percent, plural } from '../ui/display-values.ts';
import { Failure } from '../ui/notices.tsx';
import { localTraining } from './local-training.ts';
import { TryModel } from './try-model.tsx';

interface ResultProps {
  readonly name: string;
  readonly training: WebTraining;
  readonly lines: readonly Metrics[];
}

const REASONS: Readonly<Record<WebTraining['reason'], string>> = {
  iterations: 'all epochs completed',
  plateau: 'the validation error stopped improving',
  interrupted: 'stopped early',
};

/** Reports how training ended, and saves models: the one with the lowest validation error, and the last one. */
export function Result({ name, training, lines }: ResultProps) {
  const [failure, setFailure] = useState<string>();
  const { reason, iterations, model, best } = training;
  /** The best model, unless it is the last one. */
  const earlier = best?.iteration === iterations ? undefined : best;
  const last = lines.findLast(({ kind }) => kind === 'validation');
  const stem = name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-');
  const bestFile = `${stem}-best.safetensors`;
  const lastFile = `${stem}-last.safetensors`;
  const save = async (which: WebModel, file: string) => {
    setFailure(undefined);
    try {
      saveBlob(await which.file(), file);
      localTraining.saved();
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  return (
    <div class="result">
      <p>
        Ended after {plural(iterations, 'iteration')}: {REASONS[reason]}.
        {last && (
          <>
            {' '}
            Validation error <strong>{percent(last.top1Error)}</strong> (loss {last.loss.toFixed(3)}) at
            iteration {last.iteration}
            {earlier ? (
              <>
                ; the lowest was <strong>{percent(earlier.top1Error)}</strong> at iteration{' '}
                {earlier.iteration}.
              </>
            ) : (
              ', the lowest.'
            )}
          </>
        )}
      </p>
      <p class="buttons">
        {earlier && (
          <button type="button" class="primary" onClick={() => void save(earlier.model, bestFile)}>
            Save best model
          </button>
        )}
        <button
          type="button"
          class={earlier ? 'quiet' : 'primary'}
          onClick={() => void save(model, lastFile)}
        >
          Save last model
        </button>
      </p>
      <p class="hint">
        Use it with <code>npx verydeep predict IMAGE --model {earlier ? bestFile : lastFile}</code> or{' '}
        <code>npx verydeep serve --model {earlier ? bestFile : lastFile}</code>.
      </p>
      {failure && <Failure message={failure} />}
      <TryModel model={(earlier ?? { model }).model} name={earlier ? 'best model' : 'model'} />
    </div>
  );
}
