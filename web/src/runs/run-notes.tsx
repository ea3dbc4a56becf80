import { useId, useState } from 'preact/hooks';
import type { RunSummary } from '../../../src/serve/contract/run-schemas.ts';
import { postJson, sentenceOf } from '../api/client.ts';
import { Failure } from '../ui/notices.tsx';

interface RunNotesProps {
  readonly run: RunSummary;
  readonly onChanged: () => void;
}

/** A run's display name and notes, which are kept in its folder. */
export function RunNotes({ run: { id, name, notes }, onChanged }: RunNotesProps) {
  const [isOpen, setIsOpen] = useState(false);
  const [draft, setDraft] = useState({ name, notes });
  const [failure, setFailure] = useState<string>();
  const field = useId();
  const save = async () => {
    setFailure(undefined);
    try {
      await postJson(`v1/runs/${encodeURIComponent(id)}/notes`, draft);
      setIsOpen(false);
      onChanged();
    } catch (error) {
      setFailure(sentenceOf(error));
    }
  };
  if (!isOpen) {
    return (
      <div class="notes">
        {notes && <p class="note-text">{notes}</p>}
        <button
          type="button"
          class="quiet"
          onClick={() => {
            setDraft({ name, notes });
            setIsOpen(true);
          }}
        >
          Rename or add notes
        </button>
      </div>
    );
  }
  return (
    <form
      class="notes"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <div class="field">
        <label for={`${field}-name`}>Name</label>
        <input
          id={`${field}-name`}
          type="text"
          maxLength={100}
          placeholder={id}
          value={draft.name}
          onInput={({ currentTarget }) => setDraft({ ...draft, name: currentTarget.value })}
        />
      </div>
      <div class="field">
        <label for={`${field}-notes`}>Notes</label>
        <textarea
          id={`${field}-notes`}
          rows={4}
          maxLength={10_000}
          value={draft.notes}
          onInput={({ currentTarget }) => setDraft({ ...draft, notes: currentTarget.value })}
        />
      </div>
      <p class="buttons">
        <button type="submit" class="primary">
          Save
        </button>
        <button type="button" class="quiet" onClick={() => setIsOpen(false)}>
          Cancel
        </button>
      </p>
      {failure && <Failure message={failure} />}
    </form>
  );
}
