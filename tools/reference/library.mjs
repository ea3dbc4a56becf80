/**
 * The library's reference, by TypeDoc from the docstrings: one page for `import 'verydeep'`, one for
 * `import 'verydeep/web'`. Without line numbers and links to files, so that it changes only with what it describes.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Application, ReferenceType, ReflectionKind, ReflectionType, UnionType } from 'typedoc';
import { generated } from './markdown.mjs';

export async function libraryPages(projectFolder) {
  const out = await mkdtemp(join(tmpdir(), 'verydeep-reference-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      entryPoints: ['src/index.ts', 'src/web/index.ts'].map((file) => join(projectFolder, file)),
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
    nameRecipes(project);
    await app.generateOutputs(project);
    return await pagesIn(out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** TypeDoc names its files by the modules; ours are library.md and library-web.md. */
async function pagesIn(folder) {
  const names = { 'index.md': 'library.md', 'web.md': 'library-web.md' };
  const pages = {};
  for (const file of await readdir(folder)) {
    const name = names[file];
    if (!name) continue;
    const text = await readFile(join(folder, file), 'utf8');
    const title =
      name === 'library.md' ? "# Library: `import 'verydeep'`" : "# Library: `import 'verydeep/web'`";
    const linked = text.replaceAll('](index.md', '](library.md').replaceAll('](web.md', '](library-web.md');
    const body = linked
      .replace(/^# .*\n+/, '')
      .replace(
        /(type (Partial)?Recipe = z\.\w+<typeof recipeSchema>;\n```)/g,
        '$1\n\nThe [recipe keys](recipe-keys.md).',
      )
      .trim();
    pages[name] = `${generated}\n\n${title}\n\n${contentsOf(body)}\n\n${body}\n`;
  }
  return pages;
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

/** TypeDoc writes out the object behind `Recipe` and `PartialRecipe` wherever they occur; their names say more. */
function nameRecipes(project) {
  const named = (name) =>
    ReferenceType.createResolvedReference(name, project.getChildByName(['index', name]), project);
  const replaced = (type) => {
    if (type instanceof UnionType) return new UnionType(type.types.map(replaced));
    if (type instanceof ReferenceType) type.typeArguments = type.typeArguments?.map(replaced);
    if (!(type instanceof ReflectionType)) return type;
    const batch = type.declaration.getChildByName(['batch']);
    if (!batch || !type.declaration.getChildByName(['lr-drop-at'])) return type;
    project.removeReflection(type.declaration);
    return named(batch.flags.isOptional ? 'PartialRecipe' : 'Recipe');
  };
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    if (reflection.type) reflection.type = replaced(reflection.type);
  }
}
