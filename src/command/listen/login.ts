import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Next } from '../../types.js';
import type { Accounts } from './accounts.js';

/** HTTP Basic (RFC 7617) in front of the page and the tunnel alike; leaves the user's name on the request. */
export function requireLogin(accounts: Accounts) {
  return async (
    req: IncomingMessage & { user?: unknown },
    res: ServerResponse,
    next: Next,
  ): Promise<void> => {
    const given = credentialsOf(req.headers.authorization);
    const verdict = given ? await accounts.verify(given.name, given.password) : 'no';
    if (verdict === 'yes') {
      req.user = given?.name;
      next();
      return;
    }
    res.statusCode = verdict === 'busy' ? 503 : 401;
    if (verdict === 'busy') res.setHeader('Retry-After', '1');
    else res.setHeader('WWW-Authenticate', 'Basic realm="express-wstunnel", charset="UTF-8"');
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    res.end(verdict === 'busy' ? 'too many logins at once\n' : 'log in first\n');
  };
}

// Own: the package for it (basic-auth) needs Node 22.
function credentialsOf(header = ''): { name: string; password: string } | undefined {
  const [, encoded] = /^Basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header) ?? [];
  const [, name, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? [];
  return name === undefined || password === undefined ? undefined : { name, password };
}
