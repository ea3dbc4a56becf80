import { useId } from 'preact/hooks';
import type { ModelInfo } from '../../../src/serve/contract/model-schemas.ts';
import { megabytes } from '../ui/display-values.ts';
import { Failure } from '../ui/notices.tsx';
import { type LocalState, localModel, weightBytes } from './local-model.ts';

interface RunInBrowserProps {
  readonly model: ModelInfo;
  readonly state: LocalState;
}

/** A switch between running the model in this browser and on the server. */
export function RunInBrowser({ model, state }: RunInBrowserProps) {
  const id = useId();
  const isOn = state.state === 'downloading' || state.state === 'ready';
  return (
    <section class="run-in-browser" aria-label="Where the model runs">
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
      <label for={id}>Run in this browser</label>
      <p class="hint" role="status">
        {statusText(state, model)}
      </p>
      {state.state === 'downloading' && (
        <p class="progress-line hint">
          <progress aria-label="Weights downloaded" value={state.done} max={state.total} />
          {megabytes(state.done)} of {megabytes(state.total)}
        </p>
      )}
      {state.state === 'failed' && <Failure message={`${state.message} The server will do the work.`} />}
    </section>
  );
}

function statusText(state: LocalState, model: ModelInfo): string {
  switch (state.state) {
    case 'off':
      return `Uses your GPU, or your CPU without one: downloads ${megabytes(weightBytes(model))} once; images stay on your device.`;
    case 'downloading':
      return 'Downloading the weights. Until they arrive, the server does the work.';
    case 'ready':
      return `Running on your ${state.model.backend === 'wasm' ? 'CPU' : 'GPU'}: ${state.model.device}.`;
    case 'failed':
      return '';
  }
}
