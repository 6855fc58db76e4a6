import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { HIDE_PATH } from '../../../observe/redact.js';
import { GRANTS, type Grant } from '../../../request/grant.js';
import type { HookContext, Host } from '../../../types.js';
import type { OpenableTokenServer } from '../../../tokens/token-server.js';
import type { Recording } from '../site/recording.js';

/** `--tokens` with `--record`: the recording dials the target. The user and the limits of the grant still apply. */
export function recordedTokens(tokens: OpenableTokenServer, recording: Recording) {
  // The tunnel asks for the grant first, and then for the backend.
  const targets = new WeakMap<IncomingMessage, Host>();
  const server = (req: IncomingMessage, { signal }: HookContext): Promise<Duplex> | undefined => {
    const host = targets.get(req);
    return host && recording.connect(host, signal);
  };
  return Object.assign(server, {
    ...(HIDE_PATH in tokens && { [HIDE_PATH]: true as const }),
    async [GRANTS](req: IncomingMessage, context: HookContext): Promise<Grant | undefined> {
      const { target, ...grant } = (await tokens[GRANTS](req, context)) ?? {};
      const [host] = [target ?? []].flat();
      if (host) targets.set(req, host);
      return grant;
    },
  });
}
