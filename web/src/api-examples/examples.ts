/** Requests to this server in three languages. */
import { addressOf, type Query } from '../api/client.ts';

export const LANGUAGES = [
  ['curl', 'curl'],
  ['fetch', 'fetch'],
  ['python', 'Python'],
] as const;
export type Language = (typeof LANGUAGES)[number][0];

export interface Task {
  readonly title: string;
  readonly path: string;
  readonly query: Query;
}

export const TASKS: readonly Task[] = [
  { title: 'Classify an image', path: 'v1/predict', query: { top: 3 } },
  { title: 'Extract features', path: 'v1/features', query: { layer: 'fc7' } },
  { title: 'See which parts of an image matter', path: 'v1/grad-cam', query: {} },
];

/** @param model name of the model (default: the server's first) */
export function exampleOf({ path, query }: Task, language: Language, model?: string): string {
  const address = addressOf(path, { ...query, model });
  switch (language) {
    case 'curl':
      return `curl --data-binary @photo.jpg -H 'content-type: image/jpeg' \\\n  '${address}'`;
    case 'fetch':
      return [
        `const response = await fetch('${address}', {`,
        "  method: 'POST',",
        "  headers: { 'content-type': 'image/jpeg' },",
        "  body: file, // a File, a Blob, or Node's Buffer",
        '});',
        'const answer = await response.json();',
        'if (!response.ok) throw new Error(answer.error.message);',
        'console.log(answer);',
      ].join('\n');
    case 'python':
      return [
        'import json, urllib.request',
        '',
        'with open("photo.jpg", "rb") as photo:',
        '    request = urllib.request.Request(',
        `        "${address}",`,
        '        data=photo.read(),',
        '        headers={"content-type": "image/jpeg"},',
        '    )',
        'with urllib.request.urlopen(request) as response:',
        '    print(json.load(response))',
      ].join('\n');
  }
}
