import { TunnelError } from '../../errors.js';
import type { ResolvedHost } from '../../backends/host.js';
import { CompiledHostMap } from '../../routes/host-map.js';
import { optionError } from './option-error.js';
import type { OptionPath } from './option-path.js';

/** An option that reads the payload of a tunnel as bytes. */
type ByteOption = 'control' | 'vnc';

/** At creation: the option is set, and `server` may list the hosts. Throws {@link TunnelError} WSTUNNEL_OPTION for one that passes frames. */
export function checkNeedsBytes(option: ByteOption, server: unknown, path?: OptionPath): void {
  const lists: readonly unknown[] = server instanceof CompiledHostMap ? server.lists : [server];
  const hosts = lists.filter((list) => Array.isArray(list)).flat() as ResolvedHost[];
  const fault = faultOf(hosts);
  if (fault !== undefined) throw optionError(path?.key(option) ?? option, fault);
}

/** The same for the hosts of one request. Throws {@link TunnelError} WSTUNNEL_HOOK_FAILED. */
export function refuseFrames(
  option: ByteOption | 'viewOnly of a ticket or token',
  hosts: readonly ResolvedHost[],
): void {
  const fault = faultOf(hosts);
  if (fault !== undefined) throw new TunnelError('WSTUNNEL_HOOK_FAILED', `${option} ${fault}`);
}

function faultOf(hosts: readonly ResolvedHost[]): string | undefined {
  const host = hosts.find(({ websocket }) => websocket?.mode === 'frames');
  return host && `needs the bytes of the payload, and ${host.id} gets frames: give this host mode: "bytes"`;
}
