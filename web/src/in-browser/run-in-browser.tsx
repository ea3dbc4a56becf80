import { useId } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model.ts';
import { megabytes } from '../ui/format.ts';
import { Failure } from '../ui/notices.tsx';
import { type LocalState, localModel } from './local-model.ts';

interface RunHereProps {
  readonly model: ModelInfo;
  readonly state: LocalState;
}

/** A switch: whether this device computes, or the server. */
export function RunHere({ model, state }: RunHereProps) {
  const id = useId();
  const isOn = state.state === 'fetching' || state.state === 'ready';
  return (
    <section class="run-here" aria-label="Where it is computed">
      <input
        id={id}
        type="checkbox"
        role="switch"
        checked={isOn}
        aria-checked={isOn}
        onChange={({ currentTarget }) => {
          if (currentTarget.checked) void localModel.turnOn(model);
          else localModel.turnOff();
        }}
      />
      <label for={id}>Run here</label>
      <p class="hint" role="status">
        {wordsFor(state, model)}
      </p>
      {state.state === 'fetching' && (
        <p class="fetched hint">
          <progress aria-label="Weights that have arrived" value={state.done} max={state.total} />
          {megabytes(state.done)} of {megabytes(state.total)}
        </p>
      )}
      {state.state === 'failed' && <Failure message={`The server answers. ${state.message}`} />}
    </section>
  );
}

function wordsFor(state: LocalState, { parameters }: ModelInfo): string {
  switch (state.state) {
    case 'off':
      return `On this device's GPU: ${megabytes(4 * parameters)} of weights come once, and images need not leave it.`;
    case 'fetching':
      return 'The weights are coming; until then the server answers.';
    case 'ready':
      return `This device computes (${state.model.device}).`;
    case 'failed':
      return '';
  }
}
