import type { Agent } from 'node:http';
import { lookupFirst } from '../helpers/race.js';
import type { ProxyAddress } from './proxy.js';

/** Sends the handshake itself to the proxy, in absolute form (RFC 9112 section 3.2.2). */
export async function forwardAgent(proxy: ProxyAddress, signal: AbortSignal): Promise<Agent> {
  // An ES module: loaded where it is needed, so that everything else loads where ES modules can't be required (Jest).
  const { HttpProxyAgent } = await import('http-proxy-agent');
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
