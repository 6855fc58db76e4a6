import type { VncSettings } from '../options/read-vnc.js';

/** The rights of a client at a VNC server. */
export interface VncRights {
  readonly viewOnly: boolean;
  /** Seconds; 0 is no limit. */
  readonly inputIdleTimeout: number;
  /** The tunnel logs in, and the client needs no password. */
  readonly hasPassword: boolean;
}

/** The rights by the option `vnc` and the grant. Undefined if the tunnel passes all bytes unchanged. */
export function rightsOf(settings: VncSettings | undefined, isViewer: boolean): VncRights | undefined {
  const { viewOnly = false, inputIdleTimeout = 0, hasPassword = false } = settings ?? {};
  if (!viewOnly && !isViewer && inputIdleTimeout === 0 && !hasPassword) return undefined;
  return { viewOnly: viewOnly || isViewer, inputIdleTimeout, hasPassword };
}

/** The rights as a text: equal rights have equal texts. A login check compares the texts of its tunnels one by one. */
export function textOfRights(rights: VncRights | undefined): string | undefined {
  if (!rights) return undefined;
  const { viewOnly, inputIdleTimeout, hasPassword } = rights;
  return [viewOnly, inputIdleTimeout, hasPassword].join(' ');
}
