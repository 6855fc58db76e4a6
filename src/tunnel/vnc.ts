import type { IncomingMessage } from 'node:http';
import type { ResolvedHost } from '../backends/host.js';
import { TunnelError } from '../errors.js';
import { isPromise, type AbortSource } from '../helpers/abort.js';
import { refuseFrames } from '../options/checks/needs-bytes.js';
import { passwordFault, readVncResult, VncSettings, type VncSetting } from '../options/read-vnc.js';
import type { PayloadFilter } from '../streams/payload-filter.js';
import { VncFilter } from '../vnc/vnc-filter.js';
import { hook } from './hook.js';
import { rightsOf, type VncRights } from './rights.js';

/** The login to the VNC server of one request. */
export interface VncLogin {
  /** Empty for a login without a name. */
  readonly username: string;
  readonly password: string;
}

/** The option `vnc` of one request, or the `viewOnly` of its ticket or token. */
export interface RequestVnc {
  readonly rights: VncRights;
  /** Undefined if the page itself logs in. */
  readonly login: VncLogin | undefined;
}

/** Asks the option `vnc`. Returns a promise only if the option does. */
export function askVnc<Req extends IncomingMessage>(
  setting: VncSetting<Req> | undefined,
  req: Req,
  opening: AbortSource,
): VncSettings | undefined | Promise<VncSettings | undefined> {
  if (setting === undefined || setting instanceof VncSettings) return setting;
  // Read inside the hook, so that an invalid result is a failure of the hook.
  return hook('vnc', opening, () => {
    const given: unknown = setting(req, {
      get signal() {
        return opening.signal;
      },
    });
    // `then` of a foreign promise may return nothing, which would count as a result without restrictions.
    return isPromise(given) ? Promise.resolve(given).then(readVncResult) : readVncResult(given);
  });
}

/** What the option and the grant mean for a request to these hosts. Undefined if all bytes pass unchanged. */
export async function vncOf<Req extends IncomingMessage>(
  setting: VncSetting<Req> | undefined,
  isViewer: boolean,
  hosts: readonly ResolvedHost[],
  req: Req,
  opening: AbortSource,
): Promise<RequestVnc | undefined> {
  const settings = await askVnc(setting, req, opening);
  const rights = rightsOf(settings, isViewer);
  if (!rights) return undefined;
  refuseFrames(settings === undefined ? 'viewOnly of a ticket or token' : 'vnc', hosts);
  if (!settings?.hasPassword) return { rights, login: undefined };
  const password: unknown = await hook('vnc.password', opening, () =>
    settings.askPassword(() => opening.signal),
  );
  const fault = passwordFault(password);
  if (fault !== undefined)
    throw new TunnelError('WSTUNNEL_HOOK_FAILED', `the result of vnc.password() ${fault}`);
  return { rights, login: { username: settings.username, password: password as string } };
}

/** The filter of an open tunnel. */
export function filterOf({ viewOnly, inputIdleTimeout, hasPassword }: VncRights): PayloadFilter {
  return new VncFilter({ isLoggedIn: hasPassword, viewOnly, watchesInput: inputIdleTimeout > 0 });
}
