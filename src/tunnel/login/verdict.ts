import type { CloseCause } from '../../types.js';
import type { CheckOutcome } from '../../upgrade/check/check-on-request.js';
import type { CheckedTunnel } from './open-login.js';

/** What a login check says about its tunnel. */
export type Verdict =
  | { readonly kind: 'ok' }
  | { readonly kind: 'ended'; readonly cause: CloseCause; readonly reason: string; readonly detail: string }
  | {
      readonly kind: 'unclear';
      readonly detail: string;
      /** Seconds for which the app asks. */
      readonly retryAfter?: number | undefined;
    };

/** `tunnel`: its user and rights. `owner`: of the tunnel. */
export function verdictOf(
  outcome: CheckOutcome,
  owner: unknown,
  { user, rights }: Pick<CheckedTunnel, 'user' | 'rights'>,
): Verdict {
  switch (outcome.kind) {
    case 'unanswered':
      return { kind: 'unclear', detail: outcome.reason };
    case 'answered': {
      const detail = `the app answered ${outcome.status}`;
      if (!isUnclear(outcome.status)) return loginEnded(detail);
      return { kind: 'unclear', detail, retryAfter: outcome.retryAfter };
    }
    case 'reached':
      if (outcome.owner !== owner) return loginEnded('the request reached another tunnel');
      if (outcome.user === user) return outcome.rights === rights ? { kind: 'ok' } : RIGHTS_CHANGED;
      return {
        kind: 'ended',
        cause: 'user-changed',
        reason: 'another user has logged in',
        detail: 'the request reached the tunnel as another user',
      };
  }
}

const RIGHTS_CHANGED: Verdict = {
  kind: 'ended',
  cause: 'rights-changed',
  reason: 'your rights at the desktop have changed: connect again',
  detail: 'the option vnc gives other rights than before',
};

/** Statuses that say nothing about the login: the app is overloaded or failed. */
function isUnclear(status: number): boolean {
  return status >= 500 || status === 429 || status === 408 || status === 425;
}

function loginEnded(detail: string): Verdict {
  return { kind: 'ended', cause: 'login-ended', reason: 'the login has ended', detail };
}
