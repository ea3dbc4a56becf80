import { useState } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { addressOf } from '../api/client.ts';
import { Choice } from '../ui/choice.tsx';
import { exampleOf, LANGUAGES, type Language, TASKS } from './examples.ts';

/** Examples of requests to this server, and its OpenAPI document. */
export function Api({ model }: { readonly model: ModelInfo | undefined }) {
  const [language, setLanguage] = useState<Language>('curl');
  return (
    <>
      <div class="title">
        <h1>Use this server from a program</h1>
      </div>
      <section class="panel" aria-labelledby="examples">
        <div class="panel-head">
          <h2 id="examples">Examples</h2>
          <Choice legend="Language" bare options={LANGUAGES} value={language} onChange={setLanguage} />
        </div>
        <p class="hint">
          Servers with a token also need the header <code>Authorization: Bearer TOKEN</code>. Probabilities
          are fractions from 0 to 1.
        </p>
        {TASKS.map((task) => (
          <Example key={task.path} title={task.title} code={exampleOf(task, language, model?.name)} />
        ))}
      </section>
      <section class="panel" aria-labelledby="documents">
        <h2 id="documents">Documents</h2>
        <p class="buttons">
          <a class="button quiet" href={addressOf('openapi.json')} target="_blank" rel="noreferrer">
            OpenAPI document
          </a>
          <a class="button quiet" href={addressOf('v1/model')} target="_blank" rel="noreferrer">
            Models as JSON
          </a>
          {model?.hasCard && (
            <a
              class="button quiet"
              href={addressOf('v1/model/card', { model: model.name })}
              target="_blank"
              rel="noreferrer"
            >
              Model card of {model.name}
            </a>
          )}
        </p>
        <p class="hint">
          The OpenAPI document lists every address with its parameters and responses; generators make clients
          from it. To publish a model with its card, run <code>npx verydeep card</code>.
        </p>
      </section>
    </>
  );
}

function Example({ title, code }: { readonly title: string; readonly code: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(code);
    setCopied(true);
  };
  return (
    <div class="example">
      <div class="panel-head">
        <h3>{title}</h3>
        {navigator.clipboard !== undefined && (
          <button type="button" class="quiet" aria-label={`Copy: ${title}`} onClick={() => void copy()}>
            {copied ? 'Copied' : 'Copy'}
          </button>
        )}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre class="scroller" tabIndex={0}>
        <code>{code}</code>
      </pre>
    </div>
  );
}
