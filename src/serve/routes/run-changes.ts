/** What clients may change about runs: their notes, and which of their models the server uses. */
import type { FoundRun } from '../../runs/run-list.ts';
import { writeRunNotes } from '../../runs/run-notes.ts';
import { runNotes, runParameters, useResponse } from '../contract/run-schemas.ts';
import { acceptJson } from '../json-body.ts';
import type { Context } from '../request-context.ts';
import { available } from '../request-errors.ts';
import { jsonErrors, type Routes, routeSchema } from '../route-types.ts';
import { modelFileOf } from '../runs/run-models.ts';

/** @param find looks up a run, and throws a RequestError if there is none of that name */
export function runChangeRoutes(
  app: Routes,
  { models }: Context,
  find: (id: string) => Promise<FoundRun>,
): void {
  app.register(async (scope) => {
    acceptJson(scope as unknown as Routes);
    const routes = scope as unknown as Routes;
    routes.post(
      '/v1/runs/:id/notes',
      {
        schema: {
          ...routeSchema(
            'Set the display name and the notes of a run.',
            { params: runParameters },
            runNotes,
            jsonErrors,
          ),
          body: runNotes,
        },
      },
      async (request) => {
        const { folder } = await find(request.params.id);
        await available('The run folder cannot be written', () => writeRunNotes(folder, request.body));
        return request.body;
      },
    );

    routes.post(
      '/v1/runs/:id/use',
      {
        schema: {
          summary: "Load a run's model, so that it can be named in requests.",
          description:
            'The best model, or the last one before the first validation. A model that has changed since is loaded again under the same name.',
          params: runParameters,
          response: { 200: useResponse, ...jsonErrors },
        },
      },
      async (request) => {
        const run = await find(request.params.id);
        return { model: await models.use(run.folder.path, await modelFileOf(run, undefined)) };
      },
    );
  });
}
