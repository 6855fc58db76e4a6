import { messageOf, TunnelError } from '../errors.js';

/** One answer for a token that is unknown, expired or malformed, or leads outside of `targets`: a guesser learns nothing from it. */
export function unknownToken(detail: string): TunnelError {
  return new TunnelError('WSTUNNEL_NO_TARGET', 'there is no such tunnel', { detail });
}

const STATUS = { down: 503, late: 504, wrong: 502 } as const;

/** A source that is down, does not answer in time, or gives a wrong answer. `detail` is for the operator, without the token. */
export function sourceFailure(kind: keyof typeof STATUS, detail: string, cause?: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_STATE_DOWN', 'tokens can not be checked now', {
    status: STATUS[kind],
    ...(kind !== 'wrong' && { headers: { 'Retry-After': '1' } }),
    detail,
    ...(cause !== undefined && { cause }),
  });
}

/** The failure of a source of the app. Errors often repeat their input, such as a URL: the token is removed. */
export function hookFailure(error: unknown, token: string): unknown {
  if (error instanceof TunnelError) return error;
  let message = messageOf(error);
  for (const text of [token, encodeURIComponent(token)]) message = message.replaceAll(text, '***');
  return new TunnelError('WSTUNNEL_HOOK_FAILED', `a token source failed: ${message}`, { cause: error });
}
