import { inspect } from 'node:util';
import { messageOf, TunnelError } from '../errors.js';

/** One answer for all tokens that are unknown, expired or malformed, or lead outside of `targets`, so that a guesser learns nothing. */
export function unknownToken(detail: string): TunnelError {
  return new TunnelError('WSTUNNEL_NO_TARGET', 'there is no such tunnel', { detail });
}

const STATUS = { down: 503, late: 504, wrong: 502 } as const;

/** A source that is down, does not answer in time, or gives a wrong answer. `detail` is for the operator, without the token. */
export function sourceFailure(kind: keyof typeof STATUS, detail: string, cause?: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_STATE_DOWN', 'tokens cannot be checked at the moment', {
    status: STATUS[kind],
    ...(kind !== 'wrong' && { headers: { 'Retry-After': '1' } }),
    detail,
    ...(cause !== undefined && { cause }),
  });
}

/**
 * The failure of a source of the app. Errors often repeat their input, such as a URL: the token is removed, also from the cause, which
 * logs show.
 */
export function hookFailure(error: unknown, token: string): unknown {
  const hide = (text: string): string => {
    let shown = text;
    // As messages quote it, in JSON and by inspect().
    for (const form of [token, encodeURIComponent(token), JSON.stringify(token).slice(1, -1), inner(token)])
      shown = shown.replaceAll(form, '***');
    return shown;
  };
  if (error instanceof TunnelError) {
    if (error.code !== 'WSTUNNEL_OPTION') return error;
    // An invalid answer. The message may have the first characters of a long token as the value.
    return new TunnelError(error.code, hide(error.message.replace(/; got .*$/s, '')));
  }
  const message = hide(messageOf(error));
  const cause = new Error(message);
  if (error instanceof Error) {
    cause.name = error.name;
    cause.stack = hide(error.stack ?? '');
  }
  return new TunnelError('WSTUNNEL_HOOK_FAILED', `a token source failed: ${message}`, { cause });
}

function inner(token: string): string {
  return inspect(token).slice(1, -1);
}
