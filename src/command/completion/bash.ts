import {
  COMMANDS,
  completedConnectFlags,
  flagsOf,
  completedListenFlags,
  completedPlayFlags,
  SHELLS,
  type CompletedFlag,
} from './completed-flags.js';

/** The script for bash 3.2 (macOS) and newer; it does not need the package bash-completion. */
export const bash =
  (): string => `# bash completion of express-wstunnel. In ~/.bashrc: source <(express-wstunnel completion bash)
_express_wstunnel() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command=listen words=
  # Readline splits --web=DIR into three words.
  if [[ $cur == '=' ]]; then
    cur=
  elif [[ $prev == '=' ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  if ((COMP_CWORD > 1)); then
    case \${COMP_WORDS[1]} in connect | play | completion) command=\${COMP_WORDS[1]} ;; esac
  fi
  COMPREPLY=()
  case $command in
    completion)
      words='${SHELLS.join(' ')}'
      ;;
    connect)
${cases(completedConnectFlags())}
      ;;
    play)
${cases(completedPlayFlags())}
      ;;
    *)
      if ((COMP_CWORD == 1)) && [[ $cur != -* ]]; then words='${Object.keys(COMMANDS).join(' ')}'; fi
${cases(completedListenFlags())}
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
# Without a match, bash completes file names: values of options, targets such as /run/vnc.sock.
complete -o bashdefault -o default -F _express_wstunnel express-wstunnel
`;

function cases(options: readonly CompletedFlag[]): string {
  const withValue = options.filter(({ values }) => values !== 'none');
  const lists = withValue.flatMap(({ values, ...one }) =>
    typeof values === 'string' ? [] : [[flagsOf({ ...one, values }).join(' | '), values.join(' ')] as const],
  );
  const others = withValue.filter(({ values }) => typeof values === 'string').flatMap(flagsOf);
  return [
    '      case $prev in',
    ...lists.map(([flags, words]) => `        ${flags}) words='${words}' ;;`),
    `        ${others.join(' | ')}) return ;;`,
    `        *) if [[ $cur == -* ]]; then words='${options.flatMap(flagsOf).join(' ')}'; fi ;;`,
    '      esac',
  ].join('\n');
}
