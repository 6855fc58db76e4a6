import type { AdminTunnel } from './admin-state.js';

/** The tunnels to show. */
export interface AdminQuery {
  /** In lower case. */
  readonly q: string;
  readonly sort: SortKey;
  readonly order: 'asc' | 'desc';
  readonly limit: number;
}

export type SortKey =
  'since' | 'user' | 'address' | 'backend' | 'received' | 'sent' | 'roundTrip' | 'queued' | 'replica';

/** The fields by which tunnels are sorted, with their default order: the newest tunnel and the highest number first. */
const SORT_KEYS = {
  since: 'desc',
  user: 'asc',
  address: 'asc',
  backend: 'asc',
  received: 'desc',
  sent: 'desc',
  roundTrip: 'desc',
  queued: 'desc',
  replica: 'asc',
} as const satisfies Record<SortKey & keyof AdminTunnel, AdminQuery['order']>;

const DEFAULT_LIMIT = 200;
const MOST_ROWS = 1000;
/** Limit of the characters of `q`. */
const LONGEST_TEXT = 200;

const NAMES = ['q', 'sort', 'order', 'limit'] as const;

/** Reads the query of a URL, without `?`. Throws an Error that names the invalid value. */
export function readQuery(text: string): AdminQuery {
  const given = new URLSearchParams(text);
  for (const name of NAMES) if (given.getAll(name).length > 1) throw new Error(`give ${name} only once`);
  const { q = '', sort = 'since', order: named, limit } = Object.fromEntries(given);
  if (q.length > LONGEST_TEXT) throw new Error(`q must have at most ${LONGEST_TEXT} characters`);
  if (!isSortKey(sort)) throw new Error(`sort must be one of ${Object.keys(SORT_KEYS).join(', ')}`);
  const order = named ?? SORT_KEYS[sort];
  if (order !== 'asc' && order !== 'desc') throw new Error('order must be asc or desc');
  if (limit !== undefined && !/^\d{1,4}$/.test(limit)) throw new Error(limitMessage());
  const most = limit === undefined ? DEFAULT_LIMIT : Number(limit);
  if (most > MOST_ROWS) throw new Error(limitMessage());
  return { q: q.toLowerCase(), sort, order, limit: most };
}

/** Equal for equal queries. */
export function keyOfQuery({ q, sort, order, limit }: AdminQuery): string {
  return JSON.stringify([q, sort, order, limit]);
}

/** Checks a query of another process. */
export function isQuery(value: unknown): value is AdminQuery {
  const { q, sort, order, limit } = (value ?? {}) as Record<string, unknown>;
  return (
    typeof q === 'string' &&
    // The lower case of a text may be longer than the text.
    q.length <= 3 * LONGEST_TEXT &&
    typeof sort === 'string' &&
    isSortKey(sort) &&
    (order === 'asc' || order === 'desc') &&
    Number.isInteger(limit) &&
    Number(limit) >= 0 &&
    Number(limit) <= MOST_ROWS
  );
}

function isSortKey(text: string): text is SortKey {
  return Object.hasOwn(SORT_KEYS, text);
}

function limitMessage(): string {
  return `limit must be a number from 0 to ${MOST_ROWS}`;
}
