import {
  COMMANDS,
  completedConnectFlags,
  completedListenFlags,
  completedPlayFlags,
  SHELLS,
  type CompletedFlag,
  type Values,
} from './completed-flags.js';

export const fish = (): string =>
  [
    '# fish completion of express-wstunnel: ~/.config/fish/completions/express-wstunnel.fish',
    ...Object.entries(COMMANDS).map(([name, help]) =>
      line(`-n __fish_use_subcommand -a ${name} -d ${quoted(help)}`),
    ),
    line(`-n '__fish_seen_subcommand_from completion' -f -a ${quoted(SHELLS.join(' '))}`),
    ...options(completedConnectFlags(), '__fish_seen_subcommand_from connect'),
    ...options(completedPlayFlags(), '__fish_seen_subcommand_from play'),
    ...options(completedListenFlags(), 'not __fish_seen_subcommand_from connect play completion'),
    '',
  ].join('\n');

function options(all: readonly CompletedFlag[], condition: string): string[] {
  return all.map(({ name, short, values, help }) => {
    const letter = short === undefined ? '' : ` -s ${short}`;
    return line(`-n '${condition}' -l ${name}${letter}${valueOf(values)} -d ${quoted(help)}`);
  });
}

function valueOf(values: Values): string {
  if (typeof values !== 'string') return ` -x -a ${quoted(values.join(' '))}`;
  if (values === 'folder') return ' -x -a "(__fish_complete_directories)"';
  return values === 'none' ? '' : values === 'file' ? ' -r -F' : ' -x';
}

function line(rest: string): string {
  return `complete -c express-wstunnel ${rest}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
