import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { plural } from '../ui/display-values.ts';

/** Most classes that are listed without opening anything. */
const SHOWN = 40;

/** The classes that a model can tell apart. */
export function KnownClasses({ model: { labels, name } }: { readonly model: ModelInfo }) {
  const list = (shown: readonly string[]) => (
    <ul class="known-classes">
      {shown.map((label) => (
        <li key={label}>{label}</li>
      ))}
    </ul>
  );
  return (
    <section class="known" aria-labelledby="known">
      <h2 id="known">What {name} knows</h2>
      <p class="hint">
        {plural(labels.length, 'class', 'classes')}. The model gives every image one of them, whatever it
        shows.
      </p>
      {list(labels.slice(0, SHOWN))}
      {labels.length > SHOWN && (
        <details>
          <summary>Show all {labels.length} classes</summary>
          {list(labels.slice(SHOWN))}
        </details>
      )}
    </section>
  );
}
