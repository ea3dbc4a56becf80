/**
 * The library's reference, by TypeDoc from the docstrings: one page for `import 'verydeep'`, one for
 * `import 'verydeep/web'`. Without line numbers and links to files, so that it changes only with what it describes.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application } from 'typedoc';
import { generated } from './markdown.mjs';

export async function libraryPages(projectFolder) {
  const out = await mkdtemp(join(tmpdir(), 'verydeep-reference-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: ['src/index.ts', 'src/browser/index.ts'].map((file) => join(projectFolder, file)),
      tsconfig: join(projectFolder, 'tsconfig.json'),
      name: 'verydeep',
      out,
      readme: 'none',
      disableSources: true,
      excludeExternals: true,
      skipErrorChecking: true,
      sort: ['alphabetical'],
      logLevel: 'Error',
      outputFileStrategy: 'modules',
      hidePageHeader: true,
      hideBreadcrumbs: true,
      hidePageTitle: true,
      useCodeBlocks: true,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      propertyMembersFormat: 'table',
      expandParameters: true,
    });
    const project = await app.convert();
    if (!project) throw new Error('TypeDoc could not read the sources');
    await app.generateOutputs(project);
    return await pagesIn(out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

const pages = {
  'index.md': {
    name: 'library.md',
    title: "Library: `import 'verydeep'`",
    introduction:
      'For Node. The functions are those of the command line: `trainNetwork` is `vgg train`, `evaluateModel` is `vgg evaluate`, `Classifier` is `vgg predict`, `convertModel` is `vgg convert`, `extractFeatures` is `vgg features`, `packImages` is `vgg pack`. Probabilities and errors are fractions. Errors that a user can fix are thrown as [UserError](#usererror).',
  },
  'browser.md': {
    name: 'library-web.md',
    title: "Library: `import 'verydeep/web'`",
    introduction:
      'For browsers: prediction and training on a GPU through WebGPU. [GPUs and browsers](../guides/gpu.md#in-a-browser) has a complete example.',
  },
};

/** TypeDoc names its files by the modules. */
async function pagesIn(folder) {
  const written = {};
  for (const [file, { name, title, introduction }] of Object.entries(pages)) {
    const text = await readFile(join(folder, file), 'utf8');
    const body = text
      .replaceAll('](index.md', '](library.md')
      .replaceAll('](browser.md', '](library-web.md')
      .replace(/^# .*\n+/, '')
      .replaceAll('(docs/reference/recipe-keys.md)', '([recipe keys](recipe-keys.md))')
      .trim();
    written[name] = `${[generated, `# ${title}`, introduction, contentsOf(body), body].join('\n\n')}\n`;
  }
  return written;
}

/** A list of everything on a page, by kind: TypeDoc's headings of the second and third level. */
function contentsOf(body) {
  const kinds = body.split(/^## /m).filter((part) => part.trim() !== '');
  return kinds
    .map((part) => {
      const kind = part.slice(0, part.indexOf('\n')).trim();
      const names = [...part.matchAll(/^### (.+)$/gm)].map(([, name]) => name.replace(/\(\)$/, ''));
      const links = names.map((name) => `[${name}](#${name.toLowerCase().replaceAll(/[^\w-]/g, '')})`);
      return `- ${kind}: ${links.join(', ')}`;
    })
    .join('\n');
}
