// Filter, order and length of the list. They are part of the page's URL, so that a reload keeps them.
export const LIMIT = 200;
export const MOST = 1000;

/** `first`: the order after the first click. `reversed`: a later `since` of the server is a shorter duration on the page. */
export const COLUMNS = [
  { key: 'user', label: 'User', first: 'asc' },
  { key: 'address', label: 'Address', first: 'asc' },
  { key: 'backend', label: 'Backend', first: 'asc' },
  { key: 'since', label: 'Open for', first: 'desc', reversed: true },
  { key: 'received', label: 'From client', first: 'desc' },
  { key: 'sent', label: 'To client', first: 'desc' },
  { key: 'roundTrip', label: 'Round trip', first: 'desc' },
  { key: 'queued', label: 'Queued', first: 'desc' },
  { key: 'replica', label: 'Replica', first: 'asc' },
];

const ORDERS = ['asc', 'desc'];
const DEFAULTS = { q: '', sort: 'since', order: 'desc', limit: LIMIT };

/** The query in the page's URL. Invalid values count as missing. */
export function readQuery() {
  const given = new URLSearchParams(location.search);
  const sort = given.get('sort');
  const order = given.get('order');
  return {
    q: (given.get('q') ?? '').slice(0, 200),
    sort: COLUMNS.some(({ key }) => key === sort) ? sort : DEFAULTS.sort,
    order: ORDERS.includes(order) ? order : DEFAULTS.order,
    limit: given.get('limit') === String(MOST) ? MOST : LIMIT,
  };
}

/** The parameters for the server. */
export function parametersOf(query) {
  const parameters = new URLSearchParams({
    sort: query.sort,
    order: query.order,
    limit: String(query.limit),
  });
  if (query.q !== '') parameters.set('q', query.q);
  return parameters.toString();
}

/** Writes the query to the page's URL, without an entry in the history of the browser. */
export function keepQuery(query) {
  const kept = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== DEFAULTS[name]) kept.set(name, String(value));
  const search = kept.toString();
  history.replaceState(null, '', search === '' ? location.pathname : `?${search}`);
}
