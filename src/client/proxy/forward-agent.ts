import type { Agent } from 'node:http';
import type * as HttpProxy from 'http-proxy-agent' with { 'resolution-mode': 'import' };
import { lookupFirst } from '../../backends/race.js';
import type { ProxyAddress } from './proxy-route.js';

/** An agent that sends the handshake itself to the proxy, in absolute form (RFC 9112 section 3.2.2). */
export function forwardAgent(proxy: ProxyAddress, signal: AbortSignal): Agent {
  // An ES module, loaded on demand: the rest of the client then works where ES modules can't be required (Jest). A bundler follows
  // this `require`, without a second chunk.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { HttpProxyAgent } = require('http-proxy-agent') as typeof HttpProxy;
  const { secure, host, port, timeout, tls, headers } = proxy;
  const url = new URL(`${secure ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`);
  // The socket gets all options too. Without `signal`, the connection to a stalled proxy would stay open.
  const agent = new HttpProxyAgent(url, {
    lookup: lookupFirst(timeout, signal, port),
    ...tls,
    headers,
    signal,
  });
  // Without this, the agent searches the call stack for the protocol.
  agent.protocol = 'http:';
  return agent;
}
