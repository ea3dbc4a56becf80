/** The command line's reference, from the commands that `vgg --help` lists. */
import { buildProgram } from '../../dist/src/cli/program.js';
import { code, generated, plain, sentence, table } from './markdown.mjs';

export async function commandLinePage() {
  const program = await buildProgram([]);
  const commands = program.commands.filter((command) => command.name() !== 'help');
  return `${[
    generated,
    '# Command line',
    sentence(program.description()),
    'Within a clone of the project, `npx verydeep` runs it; `vgg COMMAND --help` prints what this page lists. Exit codes: 0 for success, 1 for an error, 2 for wrong usage, 130 after an interruption that saved its state.',
    table(
      ['command', 'purpose'],
      commands.map((command) => [
        `[\`vgg ${command.name()}\`](#vgg-${command.name()})`,
        plain(command.description()),
      ]),
    ),
    ...commands.map(commandSection),
    environment,
  ].join('\n\n')}\n`;
}

const environment = `## Environment variables

${table(
  ['variable', 'effect'],
  [
    ['`XDG_CACHE_HOME`', 'folder of the cache folder `verydeep` (default: `~/.cache`)'],
    [
      '`VERYDEEP_SCHEDULES`',
      '`off`: use the default kernel schedules and tiles, and neither try nor remember others',
    ],
    [
      '`VERYDEEP_ISA`',
      '`avx2` or `portable`: restricts the CPU kernels to this instruction set, for comparison',
    ],
    ['`VERYDEEP_DEBUG`', '`1`: prints stack traces of errors'],
    ['`UV_THREADPOOL_SIZE`', 'threads that decode images (default: two more than there are cores)'],
    ['`VK_DRIVER_FILES`', "the Vulkan driver's file that `--backend webgpu` uses"],
  ],
)}`;

function commandSection(command) {
  const help = command.createHelp();
  const groups = new Map();
  for (const option of help.visibleOptions(command)) {
    const heading = option.helpGroupHeading ?? 'Options:';
    if (option.long !== '--help') groups.set(heading, [...(groups.get(heading) ?? []), option]);
  }
  return [
    `## vgg ${command.name()}`,
    plain(command.description()),
    `\`\`\`\n${help.commandUsage(command)}\n\`\`\``,
    table(
      ['argument', 'description'],
      help
        .visibleArguments(command)
        .map((argument) => [code(help.argumentTerm(argument)), plain(help.argumentDescription(argument))]),
    ),
    ...[...groups].flatMap(([heading, options]) => [
      groups.size > 1 && heading !== 'Options:' ? `### ${heading.replace(/:$/, '')}` : '',
      table(
        ['option', 'description'],
        options.map((option) => optionRow(help, option)),
      ),
    ]),
    examplesOf(command),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** As `--help` prints it. */
function optionRow(help, option) {
  return [code(help.optionTerm(option)), plain(help.optionDescription(option))];
}

/** What `addHelpText('after', …)` prints: only commander's event says it. */
function examplesOf(command) {
  let text = '';
  command.emit('afterHelp', { error: false, command, write: (part) => (text += part) });
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && line !== 'Examples:');
  return lines.length === 0
    ? ''
    : `\`\`\`sh\n${lines.map((line) => line.replace(/^\$ /, '')).join('\n')}\n\`\`\``;
}
