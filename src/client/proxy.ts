import type { Agent } from 'node:http';
import type { ConnectionOptions } from 'node:tls';
import { HttpProxyAgent } from 'http-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { lookupFirst } from '../helpers/race.js';
import { fail } from '../helpers/readers.js';
import { DEFAULTS } from '../options/defaults.js';
import { CappedAgent } from './capped-agent.js';
import type { ConnectOptions } from './types.js';
import { basicOf, credentialsOf, parse, portOf, wrongUrl, type Target } from './url.js';

/** An HTTP proxy on the way. */
export interface Proxy {
  readonly mode: 'connect' | 'forward';
  /** For messages. */
  readonly shown: string;
  /** For one connection; the signal destroys the connection to the proxy while it is being made. */
  agent(signal: AbortSignal): Agent;
}

const MUST = 'must be an http: or https: URL, or false';

/** Which proxy leads to the target, if any. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readProxy(options: ConnectOptions, target: Target): Proxy | undefined {
  const { proxy: given, proxyMode: mode = 'connect', proxyTls = {} } = options;
  // In forward mode it would be asked in clear.
  if (mode === 'forward' && target.secure)
    fail(
      'proxyMode',
      'can be "forward" for ws: only, since the proxy reads what it forwards',
      'forward',
      ' for wss:',
    );
  if (given === false) return undefined;
  const found = given ?? fromEnvironment(target);
  if (found === '') return undefined;
  const name = given === undefined ? "the environment's proxy" : 'proxy';
  const url = parse(found, name, MUST);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') fail(name, MUST, wrongUrl(url.href));
  const timeout = options.connectTimeout ?? DEFAULTS.handshakeTimeout;
  return proxyOf(url, { mode, tls: proxyTls, name, secure: target.secure, timeout });
}

function proxyOf(
  url: URL,
  {
    mode,
    tls,
    name,
    secure,
    timeout,
  }: { mode: Proxy['mode']; tls: ConnectionOptions; name: string; secure: boolean; timeout: number },
): Proxy {
  const credentials = credentialsOf(url, name);
  // The agents print their URL for DEBUG: the password goes another way.
  const bare = new URL(url.origin);
  const headers = credentials ? { 'Proxy-Authorization': basicOf(credentials) } : {};
  const agent = (signal: AbortSignal) => {
    // Every option is given to the socket as well; without `signal` a proxy that stalls would be kept.
    const lookup = lookupFirst(timeout, signal, portOf(bare, bare.protocol === 'https:'));
    const options = { lookup, ...(bare.protocol === 'https:' && tls), headers, signal };
    const made = mode === 'connect' ? new CappedAgent(bare, options) : new HttpProxyAgent(bare, options);
    // Else it looks through the call stack for it.
    made.protocol = secure ? 'https:' : 'http:';
    return made as Agent;
  };
  return { mode, shown: bare.host, agent };
}

/** The variables are named for http: and https:, and hold for ws: and wss: alike. */
function fromEnvironment({ secure, authority }: Target): string {
  return getProxyForUrl(`${secure ? 'https' : 'http'}://${authority}/`);
}
