// Refusals, backends, programs and replicas: short lists whose items are written again only when they differ.
import { byId, element, hasSelection, plain, setText } from './dom.js';
import { count, exactTime, plural, time } from './units.js';
import { refusalWords } from './words.js';

/** A list of the document. `parts(item)` gives the elements of an item; an item with the same key and text keeps its element. */
class List {
  #list;
  #parts;
  #items = new Map();

  constructor(id, parts) {
    this.#list = byId(id);
    this.#parts = parts;
  }

  /** `entries`: pairs of a key and an item. */
  show(entries) {
    if (hasSelection(this.#list)) return;
    const keys = new Set(entries.map(([key]) => key));
    for (const [key, { node }] of this.#items) {
      if (keys.has(key)) continue;
      node.remove();
      this.#items.delete(key);
    }
    let next = this.#list.firstElementChild;
    for (const [key, item] of entries) {
      const text = JSON.stringify(item);
      const known = this.#items.get(key) ?? { node: element('li'), text: undefined };
      if (known.text !== text) known.node.replaceChildren(...this.#parts(item));
      known.text = text;
      this.#items.set(key, known);
      if (known.node === next) next = next.nextElementSibling;
      else this.#list.insertBefore(known.node, next);
    }
  }
}

/** Two items with the same key get different keys. */
function keyed(items, keyOf) {
  const seen = new Map();
  return items.map((item) => {
    const key = keyOf(item);
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    return [`${key} ${times}`, item];
  });
}

const badge = (kind, text) => element('span', `badge badge-${kind}`, text);

function titled(className, text) {
  const made = element('span', className, plain(text));
  made.title = plain(text, 1000);
  return made;
}

/** The load as a part of the limit. SVG, since CSP forbids style attributes. */
function meter(value, most) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('class', value >= most ? 'meter meter-full' : 'meter');
  svg.setAttribute('aria-hidden', 'true');
  for (const [className, width] of [
    ['meter-back', 1],
    ['meter-bar', Math.min(1, value / most)],
  ]) {
    const bar = document.createElementNS(space, 'rect');
    bar.setAttribute('class', className);
    bar.setAttribute('width', `${width * 100}%`);
    bar.setAttribute('height', '100%');
    bar.setAttribute('rx', '2');
    svg.append(bar);
  }
  return svg;
}

function refusalParts({ time: at, now, address, user, url, status, code, reason }) {
  const when = element('time', 'when', time(at, now));
  when.dateTime = new Date(at).toISOString();
  when.title = exactTime(at);
  const words = element('strong', '', refusalWords(code));
  words.title = code;
  const who = user === undefined ? address : `${plain(user, 60)} · ${address}`;
  return [
    element('p', 'line-1', badge(status >= 500 ? 'bad' : 'warn', String(status)), words, when),
    titled('line-2', reason),
    element('p', 'line-3', titled('who', who), titled('url', url)),
  ];
}

function hostParts({ id, up, reason, tunnels, maxTunnels, failures }) {
  const load =
    maxTunnels === undefined
      ? plural(tunnels, 'tunnel')
      : `${count(tunnels)} of ${plural(maxTunnels, 'tunnel')}`;
  const figures = element('span', 'figures', load);
  if (failures > 0) figures.append(element('span', 'failures', ` · ${plural(failures, 'failure')}`));
  const parts = [
    element('p', 'line-1', badge(up ? 'good' : 'bad', up ? 'Up' : 'Down'), titled('name', id), figures),
  ];
  if (maxTunnels !== undefined && maxTunnels > 0) parts.push(meter(tunnels, maxTunnels));
  if (!up && reason !== undefined) parts.push(titled('line-2', reason));
  return parts;
}

const programParts = ({ backend, state, pid, tunnels }) => [
  element(
    'p',
    'line-1',
    badge(/run|ready|up/.test(state) ? 'good' : 'plain', plain(state, 30)),
    titled('name', backend),
    element('span', 'figures', `${pid === undefined ? '' : `pid ${pid} · `}${plural(tunnels, 'tunnel')}`),
  ),
];

const replicaParts = ({ name, silent, tunnels, here }) => [
  element(
    'p',
    'line-1',
    badge(silent ? 'bad' : 'good', silent ? 'No answer' : 'Up'),
    titled('name', here ? `${name} (this process)` : name),
    element('span', 'figures', plural(tunnels, 'tunnel')),
  ),
];

/** Refusals shown before the button. */
const FEW = 8;

export class Lists {
  #refusals = new List('refusals', refusalParts);
  #hosts = new List('hosts', hostParts);
  #programs = new List('programs', programParts);
  #replicas = new List('replicas', replicaParts);
  #allRefusals = false;
  #last;

  constructor() {
    byId('refusals-more').addEventListener('click', () => {
      this.#allRefusals = !this.#allRefusals;
      if (this.#last !== undefined) this.#showRefusals(this.#last);
    });
  }

  show(state) {
    this.#last = state;
    this.#showRefusals(state);
    const { backends, programs, replicas } = state;
    // Stable: among hosts of one state, the order of the server.
    const hosts = [...backends].sort((one, other) => Number(one.up) - Number(other.up));
    this.#hosts.show(keyed(hosts, ({ id }) => id));
    byId('no-hosts').hidden = hosts.length > 0;
    setText(byId('hosts-count'), hosts.length === 0 ? '' : count(hosts.length));
    byId('programs-panel').hidden = programs.length === 0;
    this.#programs.show(keyed(programs, ({ backend }) => backend));
    byId('replicas-panel').hidden = replicas === undefined;
    const known = (replicas ?? []).map((one) => ({ ...one, here: isHere(one.name, state.replica) }));
    this.#replicas.show(keyed(known, ({ name }) => name));
  }

  #showRefusals({ refusals, totals, time: now }) {
    const shown = this.#allRefusals ? refusals : refusals.slice(0, FEW);
    // `now` decides only whether an item shows its day. Without the rounding, every item would change each second.
    const rounded = Math.ceil(now / 3_600_000) * 3_600_000;
    const items = shown.map((refusal) => ({ ...refusal, now: rounded }));
    this.#refusals.show(keyed(items, ({ time: at, address, code }) => `${at} ${address} ${code}`));
    const all = Object.values(totals.refused).reduce((sum, number) => sum + number, 0);
    setText(byId('refusals-count'), all === 0 ? '' : `${count(all)} since the start`);
    byId('no-refusals').hidden = refusals.length > 0;
    byId('refusals-cut').hidden = refusals.length <= FEW;
    const more = byId('refusals-more');
    more.setAttribute('aria-expanded', String(this.#allRefusals));
    setText(more, this.#allRefusals ? `Show the newest ${FEW}` : `Show the newest ${refusals.length}`);
  }
}

/** Compares a name with the address of this process: the address `a#x` has the name `a`. */
const isHere = (name, replica) =>
  replica !== null && (replica === name || replica.replace(/#[^#]*$/, '') === name);
