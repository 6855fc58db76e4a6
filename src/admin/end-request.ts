import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../errors.js';
import { isSameOrigin } from '../guard/origin.js';
import type { EndResult, TunnelFilter } from '../types.js';
import { HttpError } from './http-error.js';
import { readJsonObject } from './request-body.js';

/** Ends tunnels. Throws a TunnelError for an invalid filter, code or reason. */
export type EndTunnels = (
  where: TunnelFilter,
  code: number | undefined,
  reason: string | undefined,
) => Promise<EndResult>;

/** Carries out `POST /end`. Throws an HttpError for an invalid request. */
export async function endByRequest(req: IncomingMessage, end: EndTunnels): Promise<EndResult> {
  checkSource(req);
  const { code, reason, ...where } = await readJsonObject(req);
  if (Object.keys(where).length === 0)
    throw new HttpError(400, 'the body must have at least one of id, user, address, backend, tunnel');
  try {
    // The types are checked by `end`.
    return await end(where, code as number | undefined, reason as string | undefined);
  } catch (error) {
    if (error instanceof TunnelError && error.code === 'WSTUNNEL_OPTION')
      throw new HttpError(400, error.message);
    throw error;
  }
}

/**
 * Refuses requests that pages of other sites can make with the operator's cookies: a form can't send JSON, and a script of another
 * site can't send JSON without a preflight, which gets 405.
 */
function checkSource(req: IncomingMessage): void {
  const { 'content-type': type = '', origin, 'sec-fetch-site': site } = req.headers;
  if (type.split(';')[0]?.trim().toLowerCase() !== 'application/json')
    throw new HttpError(415, 'send the body as JSON, with Content-Type: application/json');
  const isSame = site === undefined || site === 'same-origin' || site === 'none';
  if (!isSame || !isSameOrigin(origin, req))
    throw new HttpError(403, 'pages of other origins may not end tunnels');
}
