import { useRef, useState } from 'preact/hooks';
import { sentenceOf } from '../api/client.ts';
import { count, plural } from '../ui/format.ts';
import { Failure } from '../ui/notices.tsx';
import { demoSource, folderSource, type TrainingSource } from './image-source.ts';

interface ImagesProps {
  readonly source: TrainingSource | undefined;
  /** What images the server has for those who have none. */
  readonly demoImages: string | undefined;
  readonly onSource: (source: TrainingSource) => void;
  readonly disabled: boolean;
}

/** What makes a file input take a folder; Preact's types do not know it. */
const FOLDER = { webkitdirectory: true };

/** Classes that are named; of more only the number is told. */
const NAMED = 12;

/** Which images are trained on: a folder of the visitor's, or some of the server's. */
export function Images({ source, demoImages, onSource, disabled }: ImagesProps) {
  const [failure, setFailure] = useState<string>();
  const input = useRef<HTMLInputElement>(null);
  const take = async (choice: Promise<TrainingSource>) => {
    setFailure(undefined);
    try {
      onSource(await choice);
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  return (
    <section class="panel" aria-labelledby="images">
      <div class="panel-head">
        <h2 id="images">Images</h2>
        <button
          type="button"
          class={source ? 'quiet' : 'primary'}
          disabled={disabled}
          onClick={() => input.current?.click()}
        >
          {source ? 'Choose another folder' : 'Choose a folder'}
        </button>
      </div>
      <input
        ref={input}
        class="unseen"
        type="file"
        multiple
        {...FOLDER}
        tabIndex={-1}
        aria-label="Folder of images"
        onChange={({ currentTarget }) => {
          void take(folderSource([...(currentTarget.files ?? [])]));
          currentTarget.value = '';
        }}
      />
      <p class="hint">
        A folder with a folder of images (JPEG, PNG, WebP) for each class, two or more. They stay on this
        device.
      </p>
      {demoImages !== undefined && (
        <p>
          <button type="button" class="quiet" disabled={disabled} onClick={() => void take(demoSource())}>
            Use some of {demoImages} instead
          </button>
        </p>
      )}
      {source && <Chosen source={source} />}
      {failure && <Failure message={failure} />}
    </section>
  );
}

function Chosen({ source }: { readonly source: TrainingSource }) {
  const { name, classes, trainingImages, validationImages } = source;
  const named = classes.slice(0, NAMED);
  return (
    <div role="status" class="training-images">
      <p>
        <strong>{name}</strong>: {plural(trainingImages, 'image')} of{' '}
        {plural(classes.length, 'class', 'classes')}
        {validationImages > 0
          ? `, and ${count(validationImages)} for validation`
          : '; a tenth is held out for validation'}
      </p>
      <ul class="hint">
        {named.map(([one, images]) => (
          <li key={one}>
            {one} <span class="count">{count(images)}</span>
          </li>
        ))}
        {classes.length > NAMED && <li>and {count(classes.length - NAMED)} more</li>}
      </ul>
    </div>
  );
}
