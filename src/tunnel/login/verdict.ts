import type { CloseCause } from '../../types.js';
import type { CheckOutcome } from '../../upgrade/check/check-on-request.js';

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

/** `owner` and `user`: of the tunnel. */
export function verdictOf(outcome: CheckOutcome, owner: unknown, user: string | undefined): Verdict {
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
      if (outcome.user === user) return { kind: 'ok' };
      return {
        kind: 'ended',
        cause: 'user-changed',
        reason: 'another user has logged in',
        detail: 'the request reached the tunnel as another user',
      };
  }
}

/** Statuses that say nothing about the login: the app is overloaded or failed. */
function isUnclear(status: number): boolean {
  return status >= 500 || status === 429 || status === 408 || status === 425;
}

function loginEnded(detail: string): Verdict {
  return { kind: 'ended', cause: 'login-ended', reason: 'the login has ended', detail };
}
