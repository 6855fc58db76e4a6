import { isExempt } from './no-proxy.js';
import type { TunnelUrl } from '../url/tunnel-url.js';

/** An environment variable with its value. */
interface EnvironmentVariable {
  readonly name: string;
  readonly value: string;
}

/**
 * The variable with the proxy for this target: HTTPS_PROXY (for `wss:`) or HTTP_PROXY (for `ws:`), else ALL_PROXY; of each name,
 * the lower-case variable first. Undefined if no variable is set, or NO_PROXY names the target.
 */
export function proxyFromEnvironment(target: TunnelUrl): EnvironmentVariable | undefined {
  const proxy = variable(target.secure ? 'HTTPS_PROXY' : 'HTTP_PROXY') ?? variable('ALL_PROXY');
  const exempt = variable('NO_PROXY');
  return exempt && isExempt(exempt.value, target) ? undefined : proxy;
}

/** An empty variable counts as unset. */
function variable(upper: string): EnvironmentVariable | undefined {
  for (const name of [upper.toLowerCase(), upper]) {
    const value = process.env[name]?.trim() ?? '';
    if (value !== '') return { name, value };
  }
  return undefined;
}
