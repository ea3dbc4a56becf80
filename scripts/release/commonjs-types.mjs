/** Types of the package for TypeScript's CommonJS consumers. */

const esm = "from './index.js' with { 'resolution-mode': 'import' };";

/**
 * Node's `require` loads ES modules, but TypeScript's `node16` refuses to require one. These declarations, for a file
 * `index.d.cts` beside `index.d.ts`, declare the same names as those of a CommonJS module.
 * @param {string} declarations the text of index.d.ts, which only exports names of other files
 */
export function commonJsTypes(declarations) {
  /** @type {string[]} */
  const types = [];
  /** @type {string[]} */
  const values = [];
  for (const [, all, names = ''] of declarations.matchAll(/^export (type )?\{([^}]*)\} from '.*';$/gm)) {
    for (const name of names.split(',').map((text) => text.trim())) {
      const [, isType = all, exported = ''] = /^(type )?(\w+)$/.exec(name) ?? [];
      // After the last comma there is no name.
      if (exported !== '') (isType ? types : values).push(exported);
    }
  }
  // A capital letter: a class, which is a type too.
  const declared = values.map(
    (name) =>
      `export declare const ${name}: typeof esm.${name};\n${/^[A-Z]/.test(name) ? `export type ${name} = esm.${name};\n` : ''}`,
  );
  return `import type * as esm ${esm}\nexport type { ${types.join(', ')} } ${esm}\n${declared.join('')}`;
}
