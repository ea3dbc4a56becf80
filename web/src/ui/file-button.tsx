import { useRef } from 'preact/hooks';

interface FileButtonProps {
  /** What the files are, for screen readers. */
  readonly label: string;
  readonly text: string;
  /** Whether it is the next thing to do. */
  readonly primary: boolean;
  readonly disabled?: boolean;
  /** Attributes of the file input: `accept`, `multiple`. */
  readonly input?: object;
  /** Called with the chosen files, at least one. */
  readonly onFiles: (files: readonly File[]) => void;
}

/** A button that opens the system's file dialog. The same files may be chosen again. */
export function FileButton({ label, text, primary, disabled, input, onFiles }: FileButtonProps) {
  const dialog = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={dialog}
        class="visually-hidden"
        type="file"
        tabIndex={-1}
        aria-label={label}
        {...input}
        onChange={({ currentTarget }) => {
          const chosen = [...(currentTarget.files ?? [])];
          currentTarget.value = '';
          if (chosen.length > 0) onFiles(chosen);
        }}
      />
      <button
        type="button"
        class={primary ? 'primary' : 'quiet'}
        disabled={disabled}
        onClick={() => dialog.current?.click()}
      >
        {text}
      </button>
    </>
  );
}
