import {
  COMMANDS,
  completedConnectFlags,
  flagsOf,
  completedListenFlags,
  completedPlayFlags,
  SHELLS,
  type CompletedFlag,
  type Values,
} from './completed-flags.js';

export const zsh = (): string => `#compdef express-wstunnel
# zsh completion of express-wstunnel: a file _express-wstunnel in a folder of $fpath. Or in ~/.zshrc, after compinit:
# source <(express-wstunnel completion zsh)
_express_wstunnel() {
  local -a commands
  case $words[2] in
    completion)
      compadd ${SHELLS.join(' ')}
      ;;
    connect)
      shift words
      ((CURRENT--))
      _arguments -s -S ${specs(completedConnectFlags())} '1:URL: '
      ;;
    play)
      shift words
      ((CURRENT--))
      _arguments -s -S ${specs(completedPlayFlags())} '*:FILE:_files'
      ;;
    *)
      if ((CURRENT == 2)) && [[ $words[2] != -* ]]; then
        commands=(${Object.entries(COMMANDS)
          .map(([name, help]) => quoted(`${name}:${help.replaceAll(':', '\\:')}`))
          .join(' ')})
        _describe command commands
      fi
      _arguments -s -S ${specs(completedListenFlags())} '*:TARGET:_files'
      ;;
  esac
}
if [[ $funcstack[1] == _express-wstunnel ]]; then
  _express_wstunnel "$@"
else
  compdef _express_wstunnel express-wstunnel
fi
`;

function specs(options: readonly CompletedFlag[]): string {
  const lines = options.flatMap((one) => flagsOf(one).map((flag) => quoted(spec(flag, one))));
  return ['\\', ...lines.map((line) => `        ${line} \\`), '       '].join('\n');
}

function spec(flag: string, { values, value, isMultiple, help }: CompletedFlag): string {
  const text = `[${help.replace(/[[\]\\]/g, '\\$&')}]`;
  if (values === 'none') return `${flag}${text}`;
  return `${isMultiple ? '*' : ''}${flag}=${text}:${value.replaceAll(':', '\\:')}:${actionOf(values)}`;
}

function actionOf(values: Values): string {
  if (typeof values !== 'string') return `(${values.join(' ')})`;
  return values === 'folder' ? '_files -/' : values === 'file' ? '_files' : ' ';
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
