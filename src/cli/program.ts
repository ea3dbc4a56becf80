import { Command } from 'commander';
import { messageOf, UserError } from '../core/errors.ts';
import { version } from '../core/project.ts';
import { configureCommand } from './command.ts';
import { programName } from './program-name.ts';

type Loader = () => Promise<{ readonly command: Command }>;

/**
 * The commands by task, in the order of `vgg --help`. A new command needs an entry here and a file in commands/. Files
 * are imported on demand: `vgg doctor` must run even where a library that other commands need fails to load.
 */
const commandGroups: Readonly<Record<string, Readonly<Record<string, Loader>>>> = {
  'Start:': {
    demo: () => import('./commands/demo.ts'),
    doctor: () => import('./commands/doctor.ts'),
  },
  'Train:': {
    train: () => import('./commands/train.ts'),
    transfer: () => import('./commands/transfer.ts'),
    plan: () => import('./commands/plan.ts'),
    report: () => import('./commands/report.ts'),
    pack: () => import('./commands/pack.ts'),
  },
  'Use a model:': {
    predict: () => import('./commands/predict.ts'),
    evaluate: () => import('./commands/evaluate.ts'),
    serve: () => import('./commands/serve.ts'),
    features: () => import('./commands/features.ts'),
    models: () => import('./commands/models.ts'),
    card: () => import('./commands/card.ts'),
  },
  'The paper:': {
    configs: () => import('./commands/configs.ts'),
    reproduce: () => import('./commands/reproduce.ts'),
    init: () => import('./commands/init.ts'),
  },
  'Tools:': {
    convert: () => import('./commands/convert.ts'),
    inspect: () => import('./commands/inspect.ts'),
    bench: () => import('./commands/bench.ts'),
    'build-mpi': () => import('./commands/build-mpi.ts'),
  },
};

const loaders = new Map(
  Object.entries(commandGroups).flatMap(([group, commands]) =>
    Object.entries(commands).map(([name, load]) => [name, { group, load }] as const),
  ),
);

/** What a newcomer would type. */
const EXAMPLES = [
  'demo',
  'train photos',
  'predict cat.jpg --model runs/photos/best.safetensors',
  'predict cat.jpg --model torchvision/vgg16',
  'serve',
  'train --help',
];

export const commandNames: readonly string[] = [...loaders.keys()];

/**
 * Builds the command line. If the arguments start with a command, only that command is loaded; otherwise all
 * are, for the help and for suggestions. Usage errors, help and version are thrown as CommanderError instead of
 * ending the process.
 * @param args the arguments after `vgg`
 * @throws UserError when a library that a command needs fails to load.
 */
export async function buildProgram(args: readonly string[]): Promise<Command> {
  const program = new Command(programName)
    .description('Train, evaluate and use the very deep convolutional networks of Simonyan & Zisserman.')
    .version(version, '--version', 'print the version')
    .helpCommand('help [command]', 'print the help for a command')
    .addHelpText(
      'after',
      `\nExamples:\n${EXAMPLES.map((example) => `  $ ${programName} ${example}`).join('\n')}`,
    );
  for (const name of neededFor(args[0])) program.addCommand(await loadCommand(name));
  configureCommand(program);
  return program;
}

function neededFor(first: string | undefined): readonly string[] {
  if (first === '--version') return [];
  return commandNames.includes(first ?? '') ? [first!] : commandNames;
}

async function loadCommand(name: string): Promise<Command> {
  try {
    const { group, load } = loaders.get(name)!;
    return (await load()).command.helpGroup(group);
  } catch (error) {
    throw new UserError(
      `${name} cannot start: ${messageOf(error)}\nRun \`vgg doctor\` to see what is missing.`,
      { cause: error },
    );
  }
}
