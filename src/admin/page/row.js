// One tunnel of the list. Its cells are made once; later only texts that differ are written.
import { element, hasSelection, plain } from './dom.js';
import { COLUMNS } from './query.js';
import { draw, History } from './sparkline.js';
import { bytes, duration, exactBytes, exactRate, exactTime, milliseconds, rate } from './units.js';

const RATES = ['received', 'sent'];

const TEXTS = {
  user: ({ user, viewOnly }) => `${user === undefined ? '–' : plain(user)}${viewOnly ? ' (view only)' : ''}`,
  address: ({ address }) => plain(address),
  backend: ({ backend }) => plain(backend),
  since: ({ since }, now) => duration(now - since),
  received: ({ received }) => rate(received),
  sent: ({ sent }) => rate(sent),
  roundTrip: ({ roundTrip }) => (roundTrip === undefined ? '–' : milliseconds(roundTrip)),
  queued: ({ queued }) => bytes(queued),
  replica: ({ replica }) => (replica === undefined ? '–' : plain(replica)),
};

const TITLES = {
  user: ({ user, viewOnly }) =>
    `${user === undefined ? 'no user' : plain(user, 1000)}${viewOnly ? '\nview only: keys and clicks do not reach the desktop' : ''}`,
  address: ({ address }) => plain(address),
  backend: ({ backend, url, name }) =>
    `${plain(backend)}\n${plain(url, 1000)}${name === null ? '' : `\n${plain(name)}`}`,
  since: ({ since }) => `since ${exactTime(since)}`,
  received: ({ received, bytesIn }) => `${exactRate(received)}, ${exactBytes(bytesIn)} in all`,
  sent: ({ sent, bytesOut }) => `${exactRate(sent)}, ${exactBytes(bytesOut)} in all`,
  roundTrip: ({ roundTrip }) =>
    roundTrip === undefined ? 'no PONG yet' : `${(roundTrip * 1000).toFixed(3)} ms from PING to PONG`,
  queued: ({ queued }) => `${exactBytes(queued)} not yet accepted by the client or the backend`,
  replica: ({ replica }) => (replica === undefined ? '' : plain(replica)),
};

export class Row {
  tunnel;
  gone = false;
  visible = false;
  #cells = new Map();
  #histories = { received: new History(), sent: new History() };
  #shown = new Map();

  constructor(tunnel) {
    this.tunnel = tunnel;
    this.node = element('tr');
    this.node.setAttribute('role', 'row');
    for (const { key, label } of COLUMNS) this.node.append(this.#cell(key, label));
    this.button = element('button', 'button button-end', 'End');
    this.button.type = 'button';
    const last = element('td', 'cell-end', this.button);
    last.setAttribute('role', 'cell');
    this.node.append(last);
  }

  #cell(key, label) {
    const text = document.createTextNode('');
    const value = element('span', 'value', text);
    const cell = element('td', `cell-${key}`, value);
    cell.setAttribute('role', 'cell');
    cell.dataset.label = label;
    let canvas;
    if (RATES.includes(key)) {
      canvas = element('canvas', `line line-${key}`);
      canvas.setAttribute('aria-hidden', 'true');
      cell.prepend(canvas);
    }
    this.#cells.set(key, { cell, text, canvas });
    return cell;
  }

  /** New values. `writes`: whether a row outside of the window is written now, too. */
  update(tunnel, now, writes) {
    this.tunnel = tunnel;
    for (const key of RATES) this.#histories[key].add(tunnel[key]);
    if (this.gone) this.#revive();
    if (writes || this.visible) this.write(now);
  }

  /** The text of a row with selected text stays, since a write would remove the selection. */
  write(now) {
    if (hasSelection(this.node)) return;
    for (const [key, { text }] of this.#cells) this.#write(key, text, TEXTS[key](this.tunnel, now));
    const name = `End ${this.title}`;
    if (this.#shown.get('end') === name) return;
    this.#shown.set('end', name);
    this.button.setAttribute('aria-label', name);
  }

  #write(key, text, value) {
    if (this.#shown.get(key) === value) return;
    this.#shown.set(key, value);
    text.data = value;
    if (key === 'roundTrip' || key === 'queued' || RATES.includes(key))
      this.#cells.get(key).cell.classList.toggle('zero', /^(0 |–)/.test(value));
  }

  /** For people: the user and the backend. */
  get title() {
    const { user, address, backend } = this.tunnel;
    return `the tunnel of ${plain(user ?? address, 60)} to ${plain(backend, 60)}`;
  }

  /** Exact values: written when the pointer or the focus reaches the row, not once a second. */
  explain() {
    for (const [key, { cell }] of this.#cells) cell.title = TITLES[key](this.tunnel);
  }

  draw() {
    for (const key of RATES) draw(this.#cells.get(key).canvas, this.#histories[key]);
  }

  /** The tunnel has ended while its row keeps its place. The button stays in the document, since the button may have the focus. */
  end() {
    if (this.gone) return;
    this.gone = true;
    this.node.classList.add('gone');
    this.button.textContent = 'Ended';
    this.button.setAttribute('aria-disabled', 'true');
  }

  #revive() {
    this.gone = false;
    this.node.classList.remove('gone');
    this.button.textContent = 'End';
    this.button.removeAttribute('aria-disabled');
  }
}
