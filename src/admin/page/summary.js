// The figures at the top of the page.
import { byId, plain, setText } from './dom.js';
import { draw, History } from './sparkline.js';
import { bytes, count, exactBytes, exactRate, plural, rate } from './units.js';
import { refusalWords } from './words.js';

/** Milliseconds in which a refusal counts as recent. */
const RECENT = 5 * 60_000;
/** The greatest length of the server's list of refusals. */
const MOST_REFUSALS = 100;

export class Summary {
  #received = new History();
  #sent = new History();

  show({ totals, refusals, backends, time, replica, draining }) {
    setText(byId('open'), count(totals.open));
    setText(byId('opened'), `${count(totals.opened)} opened since the start`);
    this.#rate('received', this.#received, totals.received, totals.bytesIn);
    this.#rate('sent', this.#sent, totals.sent, totals.bytesOut);
    showRefusals(refusals.filter((refusal) => time - refusal.time <= RECENT));
    showHosts(backends);
    const text = `${totals.open === 0 ? 'No' : count(totals.open)} open · Tunnels`;
    if (document.title !== text) document.title = text;
    byId('draining').hidden = !draining;
    byId('process').hidden = replica === null;
    if (replica !== null) setText(byId('process'), plain(replica, 60));
  }

  /** Call this after all writes: each chart reads its size, which costs a layout after a write. */
  draw() {
    draw(byId('received-line'), this.#received, true);
    draw(byId('sent-line'), this.#sent, true);
  }

  #rate(name, history, value, total) {
    history.add(value);
    setText(byId(name), rate(value));
    byId(name).title = exactRate(value);
    setText(byId(`${name}-total`), `${bytes(total)} since the start`);
    byId(`${name}-total`).title = exactBytes(total);
  }
}

function showRefusals(recent) {
  const number = recent.length >= MOST_REFUSALS ? `${count(MOST_REFUSALS)}+` : count(recent.length);
  setText(byId('refused'), number);
  byId('refusals-tile').classList.toggle('tile-warn', recent.length > 0);
  const codes = new Map();
  for (const { code } of recent) codes.set(code, (codes.get(code) ?? 0) + 1);
  const sorted = [...codes].sort(([, one], [, other]) => other - one);
  const parts = sorted.slice(0, 2).map(([code, times]) => `${count(times)} × ${refusalWords(code)}`);
  if (sorted.length > 2) parts.push(`${sorted.length - 2} other`);
  setText(byId('refused-why'), parts.length === 0 ? 'None' : parts.join(', '));
}

function showHosts(backends) {
  const down = backends.filter(({ up }) => !up);
  byId('hosts-tile').classList.toggle('tile-bad', down.length > 0);
  setText(byId('hosts-up'), down.length > 0 ? `${count(down.length)} down` : `${count(backends.length)} up`);
  const names = down.slice(0, 2).map(({ id }) => plain(id, 40));
  if (down.length > 2) names.push(`${down.length - 2} more`);
  const calm = backends.length === 0 ? 'None known yet' : 'None is down';
  setText(
    byId('hosts-down'),
    down.length > 0 ? `of ${plural(backends.length, 'backend')}: ${names.join(', ')}` : calm,
  );
}
