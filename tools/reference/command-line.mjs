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
    'Within a clone of the project, `npx vgg` runs it; `vgg COMMAND --help` prints what this page lists. Exit codes: 0 for success, 1 for an error, 2 for wrong usage, 130 after an interruption that saved its state.',
    table(
      ['command', 'purpose'],
      commands.map((command) => [
        `[\`vgg ${command.name()}\`](#vgg-${command.name()})`,
        plain(command.description()),
      ]),
    ),
    ...commands.map(commandSection),
  ].join('\n\n')}\n`;
}

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
      table(['option', 'description'], options.map(optionRow)),
    ]),
    examplesOf(command),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function optionRow(option) {
  return [code(option.flags), plain([option.description, ...detailsOf(option)].join(' '))];
}

function detailsOf(option) {
  const details = [];
  // Choices that the flags show already need no second list.
  if (option.argChoices && !option.argChoices.every((choice) => option.flags.includes(choice)))
    details.push(`choices: ${option.argChoices.join(', ')}`);
  if (option.defaultValue !== undefined && option.defaultValue !== false)
    details.push(`default: ${option.defaultValueDescription ?? option.defaultValue}`);
  if (option.mandatory) details.push('required');
  return details.length === 0 ? [] : [`(${details.join('; ')})`];
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
