// The admin page of tunnel.admin(): connects the event stream of the server with the parts of the page.
import { byId, setText } from './dom.js';
import { EndDialog } from './end-dialog.js';
import { Lists } from './lists.js';
import { keepQuery, MOST, readQuery } from './query.js';
import { Stream } from './stream.js';
import { Summary } from './summary.js';
import { TunnelList } from './tunnels.js';

const CONNECTION = {
  connecting: 'Connecting',
  live: 'Live',
  silent: 'No data',
  reconnecting: 'Reconnecting',
  paused: 'Paused',
  login: 'Logged out',
  forbidden: 'Not allowed',
};

const ENDED = {
  login: ['You are logged out.', 'This page gets no more data.'],
  forbidden: ['You may no longer see this page.', 'Your login does not allow it.'],
};

/** Milliseconds between the last key and the request. */
const TYPING = 250;

let query = readQuery();
let latest;
let due = false;
let typing;

const summary = new Summary();
const lists = new Lists();
const list = new TunnelList({
  onSort: (sort, order) => ask({ sort, order }),
  onEnd: (row) => dialog.open(row, latest.time),
});
const dialog = new EndDialog({
  countOf: (user) => list.countOf(user),
  onEnded: (text, isComplete) => {
    notify(text, isComplete ? 'good' : 'warn');
    stream.refresh();
  },
  onLogin: (name) => stream.end(name),
});
const stream = new Stream({ query, onState: receive, onChange: showConnection });

/** For screen readers: only changes of the connection and ended tunnels, since a value every second would be too much. */
function announce(text) {
  setText(byId('announcer'), text);
}

function notify(text, kind) {
  byId('notice').className = `banner banner-${kind}`;
  setText(byId('notice-text'), text);
  byId('notice').hidden = false;
  announce(text);
}

/** A page in the background draws nothing and keeps only the last state. */
function receive(state) {
  latest = state;
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!stream.ended) render();
  });
}

function render() {
  byId('content').hidden = false;
  summary.show(latest);
  list.show(latest, query);
  lists.show(latest);
  summary.draw();
  list.draw();
}

function showConnection(name) {
  byId('connection').dataset.state = name;
  setText(byId('connection-text'), CONNECTION[name]);
  if (name !== 'live' || byId('announcer').textContent !== '') announce(`Connection: ${CONNECTION[name]}`);
  const ended = ENDED[name];
  if (ended === undefined) return;
  setText(byId('logged-out-title'), ended[0]);
  setText(byId('logged-out-text'), ended[1]);
  byId('logged-out').hidden = false;
  byId('content').hidden = true;
  byId('pause').hidden = true;
  byId('notice').hidden = true;
  byId('draining').hidden = true;
  list.clear();
  dialog.close();
  document.title = `${ended[0]} · Tunnels`;
}

/** Asks the server for another list. */
function ask(change) {
  query = { ...query, ...change };
  keepQuery(query);
  list.showOrder(query);
  stream.ask(query);
}

list.showOrder(query);
byId('filter').value = query.q;
byId('filter').addEventListener('input', ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(() => ask({ q: target.value.trim() }), TYPING);
});
byId('query').addEventListener('submit', (event) => event.preventDefault());
byId('more').addEventListener('click', () => ask({ limit: MOST }));
byId('notice-close').addEventListener('click', () => {
  byId('notice').hidden = true;
  byId('filter').focus({ preventScroll: true });
});
byId('pause').addEventListener('click', ({ currentTarget }) => {
  const paused = currentTarget.getAttribute('aria-pressed') !== 'true';
  currentTarget.setAttribute('aria-pressed', String(paused));
  stream.pause(paused);
});
