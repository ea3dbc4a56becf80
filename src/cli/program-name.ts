/** What starts this program: hints are to be copied. */
export const programName = process.env.npm_command === 'exec' ? 'npx verydeep' : 'vgg';

/** A command in a text: at the start of a line, after a colon, in parentheses or in backquotes. */
const COMMAND = /(^ *|: |\(|`)vgg (?=[a-z])/gm;

/** Text whose commands work as the reader started this one. */
export function withProgramName(text: string, name = programName): string {
  return text.replace(COMMAND, `$1${name} `);
}

/** A path as one word of a shell, in quotes where it needs them. */
export function shellWord(path: string): string {
  return /^[\p{L}\p{N}@%+=:,./_-]+$/u.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
