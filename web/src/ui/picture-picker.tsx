import { useEffect, useState } from 'preact/hooks';
import type { Limits } from '../../../src/serve/contract/model-schemas.ts';
import { sentenceOf } from '../api/client.ts';
import { openPicture, type Picture } from '../state/user-files.ts';
import { isWeightFile } from '../weights/open-weights.ts';
import { FileButton } from './file-button.tsx';
import { Failure } from './notices.tsx';

interface PickerProps {
  readonly picture: Picture | undefined;
  readonly limits: Limits;
  readonly onPicture: (picture: Picture) => void;
  /** Whether the model runs in this browser (default: on the server). */
  readonly runsInBrowser?: boolean;
  /** What happens to the image (default: by where the model runs). */
  readonly hint?: string;
}

/** Accepts an image that is dropped anywhere on the page, pasted, or chosen in a file dialog. */
export function PicturePicker({ picture, limits, onPicture, runsInBrowser = false, hint }: PickerProps) {
  const [failure, setFailure] = useState<string>();
  const [draggedOver, setDraggedOver] = useState(false);

  const take = async (file: File | undefined | null) => {
    if (!file) return;
    setFailure(undefined);
    try {
      onPicture(await openPicture(file, limits));
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };

  useEffect(() => {
    const over = (event: DragEvent) => {
      event.preventDefault();
      setDraggedOver(true);
    };
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDraggedOver(false);
    };
    const drop = (event: DragEvent) => {
      event.preventDefault();
      setDraggedOver(false);
      const file = event.dataTransfer?.files[0];
      if (file && !isWeightFile(file)) void take(file);
    };
    const paste = (event: ClipboardEvent) => {
      const files = [...(event.clipboardData?.files ?? [])];
      void take(files.find(({ type }) => type.startsWith('image/')) ?? files[0]);
    };
    const controller = new AbortController();
    const { signal } = controller;
    addEventListener('dragover', over, { signal });
    addEventListener('dragleave', leave, { signal });
    addEventListener('drop', drop, { signal });
    addEventListener('paste', paste, { signal });
    return () => controller.abort();
  }, [limits]);

  return (
    <div class={`picker${picture ? ' small' : ''}${draggedOver ? ' dragged-over' : ''}`}>
      {picture ? (
        <p class="chosen">
          <strong>{picture.name}</strong>
          <span>
            {picture.pixels.width} × {picture.pixels.height} pixels
          </span>
        </p>
      ) : (
        <div class="invitation">
          <ImageIcon />
          <p>Drop an image here, paste one, or</p>
        </div>
      )}
      <FileButton
        label="Image file"
        text={picture ? 'Choose another image' : 'Choose an image'}
        primary={!picture}
        input={{ accept: 'image/jpeg,image/png,image/webp' }}
        onFiles={([file]) => void take(file)}
      />
      {!picture && (
        <p class="hint">
          JPEG, PNG or WebP.{' '}
          {hint ??
            (runsInBrowser
              ? 'Classify keeps the image on your device; Layers sends it to this server.'
              : 'The image is sent to this server only, which does not store it.')}
        </p>
      )}
      {failure && <Failure message={failure} />}
    </div>
  );
}

function ImageIcon() {
  return (
    <svg viewBox="0 0 48 48" width="48" height="48" aria-hidden="true" class="icon">
      <rect x="6" y="9" width="36" height="30" rx="4" />
      <circle cx="16.5" cy="19" r="3.5" />
      <path d="M8 36l11-11 7 7 6-6 9 9" />
    </svg>
  );
}
