import { useId, useRef, useState } from 'preact/hooks';
import { sentenceOf, signIn } from '../api/client.ts';
import { Failure } from './notices.tsx';

/** Asks for the server's token, which the server exchanges for a cookie; the page stores nothing. */
export function TokenPrompt({ onSignedIn }: { readonly onSignedIn: () => void }) {
  const [failure, setFailure] = useState<string>();
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  const submit = async () => {
    setBusy(true);
    setFailure(undefined);
    try {
      await signIn(field.current!.value.trim());
      onSignedIn();
    } catch (error) {
      setFailure(sentenceOf(error));
      setBusy(false);
      field.current?.select();
    }
  };
  return (
    <main class="token" id="content">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <h1>This server requires a token</h1>
        <p>
          It is in the file that was passed to <code>vgg serve --token-file</code>.
        </p>
        <label for={id}>Token</label>
        <input ref={field} id={id} type="password" autocomplete="current-password" required autofocus />
        <button type="submit" class="primary" disabled={busy}>
          Continue
        </button>
        {failure && <Failure message={failure} />}
      </form>
    </main>
  );
}
