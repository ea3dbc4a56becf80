import { useState } from 'preact/hooks';
import type { Metrics, WebTraining } from '../../../src/web/index.ts';
import { sentenceOf } from '../api/client.ts';
import { percent, plural } from '../ui/format.ts';
import { Failure } from '../ui/notices.tsx';
import { saveBlob } from '../ui/save.ts';

interface ResultProps {
  readonly name: string;
  readonly training: WebTraining;
  readonly lines: readonly Metrics[];
}

const REASONS: Readonly<Record<WebTraining['reason'], string>> = {
  iterations: 'all passes were done',
  plateau: 'the validation error no longer improved',
  interrupted: 'it was stopped',
};

/** How it ended, and the model as a file. */
export function Result({ name, training, lines }: ResultProps) {
  const [failure, setFailure] = useState<string>();
  const { reason, iterations, model } = training;
  const last = lines.findLast(({ kind }) => kind === 'validation');
  const file = `${name.replaceAll(/[^\p{L}\p{N}._-]+/gu, '-')}.safetensors`;
  const save = async () => {
    setFailure(undefined);
    try {
      saveBlob(await model.file(), file);
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
            Validation error <strong>{percent(last.top1Error)}</strong> (loss {last.loss.toFixed(3)}) after
            iteration {last.iteration}.
          </>
        )}
      </p>
      <p>
        <button type="button" class="primary" onClick={() => void save()}>
          Save the model
        </button>
      </p>
      <p class="hint">
        Then <code>npx vgg predict IMAGE --model {file}</code>, or <code>npx vgg serve --model {file}</code>.
      </p>
      {failure && <Failure message={failure} />}
    </div>
  );
}
