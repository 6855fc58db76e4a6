import type { VncOptions } from 'express-wstunnel';
import type { Accounts } from './roles.js';

export interface DesktopSettings {
  /** The password of the VNC server. */
  readonly vncPassword?: string;
  /** Seconds without a key or pointer event after which a desktop ends; 0 or undefined: never. */
  readonly inputIdle?: number;
}

/**
 * The rights of a user at the desktop, for the option `vnc` of the tunnel, which asks again while the tunnel is open: a trainee sees the
 * same desktop as an operator, but keys and pointer of a trainee never reach it.
 */
export function desktopRights(accounts: Accounts, { vncPassword, inputIdle = 0 }: DesktopSettings) {
  return async (user: string | undefined): Promise<VncOptions | undefined> => {
    const viewOnly = (await accounts.roleOf(user)) === 'trainee';
    // A trainee sends no input.
    const watchesInput = inputIdle > 0 && !viewOnly;
    // Without any of the three options, the backend may be any server, not only VNC.
    if (vncPassword === undefined && !viewOnly && !watchesInput) return undefined;
    return {
      viewOnly,
      ...(vncPassword !== undefined && { password: vncPassword }),
      ...(watchesInput && { inputIdleTimeout: inputIdle }),
    };
  };
}
