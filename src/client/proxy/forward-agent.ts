import type { Agent } from 'node:http';
import type * as HttpProxy from 'http-proxy-agent' with { 'resolution-mode': 'import' };
import { lookupFirst } from '../../backends/race.js';
import type { ProxyAddress } from './read-proxy.js';

/** Sends the handshake itself to the proxy, in absolute form (RFC 9112 section 3.2.2). */
export function forwardAgent(proxy: ProxyAddress, signal: AbortSignal): Agent {
  // An ES module: loaded where it is needed, so that everything else loads where ES modules can't be required (Jest). A bundler
  // follows this `require`, and needs no second chunk for it.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { HttpProxyAgent } = require('http-proxy-agent') as typeof HttpProxy;
  const { secure, host, port, timeout, tls, headers } = proxy;
  const url = new URL(`${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  // Every option is given to the socket as well; without `signal` a proxy that stalls would be kept.
  const agent = new HttpProxyAgent(url, {
    lookup: lookupFirst(timeout, signal, port),
    ...tls,
    headers,
    signal,
  });
  // Else it looks through the call stack for it.
  agent.protocol = 'http:';
  return agent;
}
