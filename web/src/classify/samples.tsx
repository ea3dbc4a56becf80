import { useState } from 'preact/hooks';
import type { Limits, ModelInfo, SamplesResponse } from '../../../src/serve/contract/model-schemas.ts';
import { decodeBase64, getJson, sentenceOf } from '../api/client.ts';
import { useRequest } from '../api/use-request.ts';
import { openPicture, type Picture } from '../state/user-files.ts';
import { Failure } from '../ui/notices.tsx';

interface SamplesProps {
  readonly model: ModelInfo;
  readonly limits: Limits;
  readonly picture: Picture | undefined;
  readonly onPicture: (picture: Picture) => void;
}

/** Some validation images of the model's run, to try it with. */
export function Samples({ model, limits, picture, onPicture }: SamplesProps) {
  const [failure, setFailure] = useState<string>();
  const answer = useRequest(`samples ${model.checksum}`, (signal) =>
    getJson<SamplesResponse>('v1/samples', { model: model.name }, signal),
  );
  if (answer.state !== 'done' || answer.value.samples.length === 0) return null;
  const choose = async ({ name, label, image }: SamplesResponse['samples'][number]) => {
    setFailure(undefined);
    try {
      const bytes = decodeBase64(image) as Uint8Array<ArrayBuffer>;
      onPicture(await openPicture(new File([bytes], name, { type: 'image/png' }), limits, label));
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  return (
    <section class="samples" aria-label="Sample images">
      <p class="hint">{picture ? 'Or try another of its' : 'Or try one of the model’s'} validation images:</p>
      <ul>
        {answer.value.samples.map((sample) => (
          <li key={sample.name + sample.label}>
            <button type="button" class="tile" title={sample.name} onClick={() => void choose(sample)}>
              <img src={`data:image/png;base64,${sample.image}`} alt="" />
              <span>{sample.label}</span>
            </button>
          </li>
        ))}
      </ul>
      {failure && <Failure message={failure} />}
    </section>
  );
}
