import { Server as HttpServer, type IncomingMessage, type Server } from 'node:http';
import { isHttp2Server } from '../http2/extended-connect.js';

/** `server.shouldUpgradeCallback` (https://nodejs.org/api/http.html#httpcreateserveroptions-requestlistener). */
type UpgradeDecision = (req: IncomingMessage) => boolean;

/**
 * Sets `shouldUpgradeCallback` (Node >= 22.21 and >= 24.9; earlier versions have no such choice), and returns a function
 * that restores the property. `ask` calls the server's original decision.
 */
export function decideUpgrades(
  server: Server & { shouldUpgradeCallback?: UpgradeDecision },
  decide: (req: IncomingMessage, ask: () => boolean) => boolean,
): () => void {
  const { shouldUpgradeCallback: own } = server;
  const original = own ?? missingDecision(server);
  if (original === undefined) return () => undefined;
  const callback: UpgradeDecision = (req) => decide(req, () => Reflect.apply(original, server, [req]));
  server.shouldUpgradeCallback = callback;
  return () => {
    if (server.shouldUpgradeCallback !== callback) return;
    if (own) server.shouldUpgradeCallback = own;
    else Reflect.deleteProperty(server, 'shouldUpgradeCallback');
  };
}

/**
 * The missing default of Node 22.21.0, which calls the callback of every server, although http2 servers have no callback: the
 * first upgrade over HTTP/1.1 on an http2 server would end the process. Node 22.21.1 added this default.
 */
function missingDecision(server: Server): UpgradeDecision | undefined {
  if (!isHttp2Server(server) || !('shouldUpgradeCallback' in new HttpServer())) return undefined;
  return () => server.listenerCount('upgrade') > 0;
}
