import { isExempt } from './no-proxy.js';
import type { TunnelUrl } from '../url/tunnel-url.js';

/** A variable and its value. */
export interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

/**
 * The proxy for this target by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in lower case first; undefined for none. The
 * variables are named for https: and http:, and hold for wss: and ws: alike.
 */
export function proxyFromEnvironment(target: TunnelUrl): EnvironmentVariable | undefined {
  const proxy = variable(target.secure ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? variable('ALL_PROXY');
  const exempt = variable('NO_PROXY');
  return exempt && isExempt(exempt.value, target) ? undefined : proxy;
}

/** One that is empty counts as one that is not set. */
function variable(upper: string): EnvironmentVariable | undefined {
  for (const name of [upper.toLowerCase(), upper]) {
    const value = process.env[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return undefined;
}
