import { fail } from '../../options/checks/fail.js';
import { RULE_OPTIONS } from '../../options/rule-options.js';
import { connectAgent } from './connect-agent.js';
import { proxyFromEnvironment } from './proxy-environment.js';
import { forwardAgent } from './forward-agent.js';
import type { ProxyAddress, ProxyRoute } from './proxy-route.js';
import type { ConnectOptions } from '../client-types.js';
import {
  basicAuthorization,
  credentialsOf,
  hostOf,
  parseUrl,
  portOf,
  maskedUrl,
  type TunnelUrl,
} from '../url/tunnel-url.js';
import { isProxyMisread } from '../../options/checks/user-info.js';

const MUST = 'must be an http: or https: URL, or false';

/** The route through a proxy, by the options or the environment; undefined without a proxy. Throws {@link TunnelError} WSTUNNEL_OPTION. */
export function readProxy(options: ConnectOptions, target: TunnelUrl): ProxyRoute | undefined {
  const { proxy: given, proxyMode: mode = 'connect', proxyTls = {} } = options;
  // In forward mode the handshake would be sent to the proxy in clear text.
  if (mode === 'forward' && target.secure)
    fail(
      'proxyMode',
      'can be "forward" for ws: only, since the proxy reads what it forwards',
      'forward',
      ' for wss:',
    );
  if (mode === 'forward' && options.hostHeader !== undefined)
    fail(
      'hostHeader',
      'can\'t be used with proxyMode "forward": the proxy finds the server by the Host header',
      options.hostHeader,
    );
  if (given === false) return undefined;
  const found = given === undefined ? proxyFromEnvironment(target) : { name: '', value: given };
  if (found === undefined || found.value === '') return undefined;
  const name = found.name === '' ? 'proxy' : `the environment's proxy (${found.name})`;
  const url = parseProxy(found.value, name);
  const credentials = credentialsOf(url, name);
  const secure = url.protocol === 'https:';
  const proxy: ProxyAddress = {
    ...{ secure, host: hostOf(url), port: portOf(url, secure), shown: url.host },
    tls: secure ? proxyTls : {},
    headers: credentials ? { 'Proxy-Authorization': basicAuthorization(credentials) } : {},
    timeout: options.connectTimeout ?? RULE_OPTIONS.handshakeTimeout.default,
  };
  const agent = (signal: AbortSignal) =>
    mode === 'forward' ? forwardAgent(proxy, signal) : connectAgent(proxy, target, signal);
  return { mode, shown: proxy.shown, agent };
}

/** As in curl, `host:port` is `http://host:port`, also for a `wss:` target. */
function parseProxy(value: string | URL, name: string): URL {
  const given = typeof value === 'string' || value instanceof URL ? String(value).trim() : undefined;
  const isBare = given !== undefined && !/^[a-z][a-z0-9+.-]*:\/\//i.test(given);
  const url = parseUrl(isBare ? `http://${given}` : value, name, MUST, isProxyMisread);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') fail(name, MUST, maskedUrl(url.href));
  return url;
}
