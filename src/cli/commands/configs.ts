import { configurationNames } from '../../net/configurations.ts';
import { formatLayers, formatTable1, formatTable2, summarizeNetwork } from '../../report/network-tables.ts';
import { choice, type FlagsOf, newCommand } from '../command.ts';
import { freeze, inAnyCase, json, networkOf, sizeOptions } from '../options.ts';
import { printJson, printResult } from '../output.ts';

const options = {
  layers: choice(configurationNames, 'show this network, layer by layer', undefined, inAnyCase),
  ...sizeOptions,
  freeze,
  json,
};

/** `vgg configs`: Tables 1 and 2. */
export const command = newCommand('configs', {
  description: 'Show the networks of Table 1 with their parameters and multiply-adds.',
  examples: ['configs', 'configs --layers D', 'configs --classes 10 --crop 32 --width 0.25 --json'],
  options,
}).action(showConfigurations);

function showConfigurations(flags: FlagsOf<typeof options>): void {
  const names = flags.layers ? [flags.layers] : configurationNames;
  const networks = names.map((name) => networkOf(name, flags));
  if (flags.json) printJson(networks.map(summarizeNetwork));
  else if (flags.layers) printResult(formatLayers(networks[0]!));
  else printResult(`${formatTable1(networks)}\n${formatTable2(networks)}`);
}
