import { useEffect, useState } from 'preact/hooks';
import type { ModelsResponse } from '../../src/serve/contract/model-schemas.ts';
import { getJson, onUnauthorized } from './api/client.ts';
import { useKept, useRequest } from './api/use-request.ts';
import { Api } from './api-examples/api.tsx';
import { Classify } from './classify/classify.tsx';
import { Layers } from './layers/layers.tsx';
import { Runs } from './runs/runs.tsx';
import { go, hrefOf, useRoute, VIEW_NAMES } from './state/route.ts';
import type { Picture } from './state/user-files.ts';
import { Train } from './train/train.tsx';
import { Header } from './ui/header.tsx';
import { Answer } from './ui/notices.tsx';
import { TokenPrompt } from './ui/token-prompt.tsx';
import { isWeightFile } from './weights/open-weights.ts';
import { Weights } from './weights/weights.tsx';

export function App() {
  const route = useRoute();
  const [session, setSession] = useState(0); // counts sign-ins, each of which reloads everything
  const [locked, setLocked] = useState(false);
  const [picture, setPicture] = useState<Picture>();
  const [chosenModel, setChosenModel] = useState<string>();
  const [added, setAdded] = useState(0); // counts models that the server has loaded for this page
  // A view that is opened lists the models anew: others may have had some loaded.
  const models = useKept(
    useRequest(`models ${session} ${added} ${route.view}`, (signal) =>
      getJson<ModelsResponse>('v1/model', {}, signal),
    ),
  );

  useEffect(() => onUnauthorized(() => setLocked(true)), []);
  const [weightFiles, setWeightFiles] = useState<readonly File[]>([]);
  useEffect(
    () =>
      takeDrops((files) => {
        setWeightFiles(files);
        go(hrefOf('weights'));
      }),
    [],
  );
  useEffect(() => {
    document.title = `${VIEW_NAMES[route.view]} · verydeep`;
  }, [route.view]);

  if (locked) {
    return (
      <TokenPrompt
        onSignedIn={() => {
          setLocked(false);
          setSession(session + 1);
        }}
      />
    );
  }
  const content = (answer: ModelsResponse) => {
    const model = answer.models.find(({ name }) => name === chosenModel) ?? answer.models[0];
    if (route.view === 'runs') {
      const useModel = (name: string) => {
        setChosenModel(name);
        setAdded(added + 1);
        go(hrefOf('classify'));
      };
      return <Runs route={route} onUse={useModel} />;
    }
    if (route.view === 'weights') return <Weights files={weightFiles} onFiles={setWeightFiles} />;
    if (route.view === 'api') return <Api model={model} />;
    if (route.view === 'train') return <Train demoImages={answer.demoImages} />;
    if (!model) return <NoModel />;
    const shared = { ...answer, model, onModel: setChosenModel, picture, onPicture: setPicture };
    return route.view === 'layers' ? <Layers {...shared} route={route} /> : <Classify {...shared} />;
  };
  return (
    <>
      <Header view={route.view} />
      <main id="content" tabIndex={-1} key={session}>
        <Answer of={models} what="the server">
          {content}
        </Answer>
      </main>
    </>
  );
}

/**
 * By default a browser replaces the page with a dropped file, which would end training.
 * @param onWeights called with weight files; views that take images listen themselves
 */
function takeDrops(onWeights: (files: readonly File[]) => void): () => void {
  const prevent = (event: DragEvent) => event.preventDefault();
  const drop = (event: DragEvent) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.some(isWeightFile)) onWeights(files);
  };
  addEventListener('dragover', prevent);
  addEventListener('drop', drop);
  return () => {
    removeEventListener('dragover', prevent);
    removeEventListener('drop', drop);
  };
}

function NoModel() {
  return (
    <section class="empty">
      <h1>No model loaded</h1>
      <p>
        Choose a run under <a href={hrefOf('runs')}>Runs</a> and press “Use this model”, or start the server
        with <code>vgg serve --model best.safetensors</code>.
      </p>
    </section>
  );
}
