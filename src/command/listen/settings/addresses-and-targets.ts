import { hideLogin } from '../../../helpers/hide-login.js';
import { redactUrl } from '../../../observe/redact.js';
import { readHosts } from '../../../options/read-hosts.js';
import type { Host } from '../../../types.js';
import {
  isLoopback,
  parseBackend,
  requireListenAddress,
  shownAddress,
  TARGET_RULE,
  type BindAddress,
} from '../../command-line/bind-and-target.js';
import { usageError } from '../../command-line/args.js';
import type { Plan } from '../plan.js';
import { GROUP_RULE, MODE_RULE, readGroup, readMode } from '../server/unix-access.js';
import type { Config } from './config.js';
import { fileOption } from './flag-values.js';
import { shownTokens, type TokenSettings } from './token-settings.js';
import type { ListenArgs } from './listen-flags.js';
import { checkOption } from './tunnel-flags.js';

/** The usual port of noVNC and websockify, on loopback, so that the default is safe. */
const DEFAULT_LISTEN: BindAddress = { host: '127.0.0.1', port: 6080 };

/**
 * As in websockify, the first of two or more arguments is the listen address; with `--tokens`, a single argument is the listen
 * address too. With `--listen` or `--unix` all arguments are targets.
 */
export function readPositionals(args: ListenArgs): { addresses: string[]; targets: Host[] } {
  const isSaid = args.has('listen') || args.has('unix');
  const [first = '', ...rest] = args.positionals;
  const isAddressFirst = !isSaid && first !== '' && (rest.length > 0 || args.has('tokens'));
  const targets = (isAddressFirst ? rest : args.positionals).map((text) => {
    const host = parseBackend(text);
    if (!host) throw usageError(`"${hideLogin(text)}" is not a target: ${TARGET_RULE}`);
    return host;
  });
  if (targets.length > 0) checkOption(() => readHosts(targets, 'TARGET'));
  return { addresses: isAddressFirst ? [first] : [], targets };
}

/** Rejects a target that is our own listen address: every tunnel would lead to the page. */
export function checkNotItself(targets: readonly Host[], listen: readonly BindAddress[]): void {
  const own = targets
    .map(addressOf)
    .find(
      ({ host = '', port }) =>
        isLoopback({ host }) &&
        listen.some((one) => one.port === port && (one.host === undefined || isLoopback({ host: one.host }))),
    );
  if (own)
    throw usageError(
      `${shownAddress(own)} is an address that this command listens on, so it can't be the target: give PORT TARGET, such as 6080 127.0.0.1:5900`,
    );
}

/** Where a target's connections go: of a URL, its host and port. */
function addressOf(target: Host): Host {
  if (target.url === undefined) return target;
  const { protocol, hostname, port } = new URL(target.url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return { host, port: port === '' ? (protocol === 'wss:' ? 443 : 80) : Number(port) };
}

/** The listen addresses from the command line, else from the configuration, else the default. @throws {CommandError} */
export function listenOf(
  args: ListenArgs,
  addresses: readonly string[],
  config: Config | undefined,
  isForAll: boolean,
): BindAddress[] {
  const socket = fileOption(args, 'unix');
  // Checked before the path is resolved, since `@name` is an abstract socket.
  if (socket !== undefined) requireListenAddress(`unix:${args.text('unix') ?? ''}`);
  const texts = [...args.list('listen'), ...addresses];
  const given = texts.map((text) => requireListenAddress(isForAll && /^\d+$/.test(text) ? `:${text}` : text));
  const all = [...given, ...(socket === undefined ? [] : [{ socket }])];
  if (all.length > 0) return all;
  return config && config.listen.length > 0 ? [...config.listen] : [DEFAULT_LISTEN];
}

/** `--unix-mode` and `--unix-group`. @throws {CommandError} */
export function unixOf(args: ListenArgs, listen: readonly BindAddress[]): Plan['unix'] {
  const modeText = args.text('unix-mode');
  const groupText = args.text('unix-group');
  if (modeText === undefined && groupText === undefined) return undefined;
  if (!listen.some(({ socket }) => socket !== undefined))
    throw usageError(`--unix-${modeText === undefined ? 'group' : 'mode'} needs --unix`);
  const mode = modeText === undefined ? undefined : readMode(modeText);
  if (modeText !== undefined && mode === undefined)
    throw usageError(`--unix-mode ${MODE_RULE}; got "${modeText}"`);
  const group = groupText === undefined ? undefined : readGroup(groupText);
  if (groupText !== undefined && group === undefined)
    throw usageError(`--unix-group ${GROUP_RULE}; got "${groupText}"`);
  return { ...(mode !== undefined && { mode }), ...(group !== undefined && { group }) };
}

/** The targets as one text, for the message at the start. */
export function shownTarget(
  targets: readonly Host[],
  tokens: TokenSettings | undefined,
  file: string | undefined,
): string {
  const names = targets.map((host) =>
    host.url === undefined
      ? `${host.tls ? 'tls:' : ''}${shownAddress(host)}`
      : redactUrl(new URL(host.url).href),
  );
  return names.join(', ') || ((tokens && shownTokens(tokens)) ?? file ?? '');
}
