import type { Agent } from 'node:http';
import type { ConnectionOptions } from 'node:tls';

/** How a tunnel goes through an HTTP proxy. */
export interface ProxyRoute {
  readonly mode: 'connect' | 'forward';
  /** For messages. */
  readonly shown: string;
  /** An agent for one request. The signal destroys its connection. */
  agent(signal: AbortSignal): Agent;
}

/** The address of an HTTP proxy, and how to connect to it. */
export interface ProxyAddress {
  readonly secure: boolean;
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** For messages. */
  readonly shown: string;
  /** Options of `tls.connect`, for a proxy with an `https:` URL. */
  readonly tls: ConnectionOptions;
  /** The header with the proxy's credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** Seconds, shared by all addresses of the proxy's name. */
  readonly timeout: number;
}
