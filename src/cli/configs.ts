import { type Command, Option } from 'commander';
import { type ConfigurationName, configurationNames } from '../net/configurations.ts';
import { formatLayers, formatTable1, formatTable2, summarizeNetwork } from '../report/network-tables.ts';
import { newCommand } from './command.ts';
import { addSizeOptions, configuration, jsonOption, networkOf, type SizeOptions } from './options.ts';
import { printJson, printResult } from './output.ts';

interface Flags extends SizeOptions {
  readonly layers?: ConfigurationName;
  readonly json?: boolean;
}

/** `vgg configs`: Tables 1 and 2. */
export function configsCommand(): Command {
  const command = newCommand('configs', {
    description: 'Show the networks of Table 1 with their parameters and multiply-adds.',
    examples: ['configs', 'configs --layers D', 'configs --classes 10 --crop 32 --width 0.25 --json'],
  });
  return addSizeOptions(command)
    .addOption(
      new Option('--layers <name>', 'show one network layer by layer')
        .choices(configurationNames)
        .argParser(configuration),
    )
    .addOption(jsonOption())
    .action(showConfigurations);
}

function showConfigurations(flags: Flags): void {
  const names = flags.layers ? [flags.layers] : configurationNames;
  const networks = names.map((name) => networkOf(name, flags));
  if (flags.json) printJson(networks.map(summarizeNetwork));
  else if (flags.layers) printResult(formatLayers(networks[0]!));
  else printResult(`${formatTable1(networks)}\n${formatTable2(networks)}`);
}
