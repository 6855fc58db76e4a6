// The list of open tunnels. The server filters, sorts and cuts; the page keeps one row for each id.
import { byId, element, setAttribute, setText } from './dom.js';
import { RowLock } from './row-lock.js';
import { COLUMNS, MOST } from './query.js';
import { Row } from './row.js';
import { count, plural } from './units.js';

/** A row outside of the window is written in one of so many states: the layout of 200 rows costs more than all other work. */
const UNSEEN_PERIOD = 10;

export class TunnelList {
  #rows = new Map();
  #byNode = new WeakMap();
  #body = byId('rows');
  #lock = new RowLock(this.#body);
  #watcher = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: '100px' });
  #buttons = new Map();
  #states = 0;
  #time = 0;

  /** `onSort(key, order)`, `onEnd(row)` */
  constructor({ onSort, onEnd }) {
    this.#makeHeader(onSort);
    const rowOf = ({ target }) => this.#byNode.get(target.closest('tr'));
    this.#body.addEventListener('click', (event) => {
      const row = event.target.closest('button') === null ? undefined : rowOf(event);
      if (row !== undefined && !row.gone) onEnd(row);
    });
    for (const name of ['pointerover', 'focusin'])
      this.#body.addEventListener(name, (event) => rowOf(event)?.explain());
  }

  #makeHeader(onSort) {
    for (const column of COLUMNS) {
      const button = element('button', 'sort', column.label);
      button.type = 'button';
      const head = element('th', `cell-${column.key}`, button);
      head.scope = 'col';
      head.setAttribute('role', 'columnheader');
      button.addEventListener('click', () => {
        const now = head.dataset.order;
        onSort(column.key, now === undefined ? column.first : now === 'asc' ? 'desc' : 'asc');
      });
      this.#buttons.set(column.key, { head, column });
      byId('columns').append(head);
    }
    const last = element('th', 'cell-end', element('span', 'unseen', 'Actions'));
    last.scope = 'col';
    last.setAttribute('role', 'columnheader');
    byId('columns').append(last);
    for (const { key, label, first, reversed } of COLUMNS)
      for (const order of [first, first === 'asc' ? 'desc' : 'asc']) {
        const falls = (order === 'desc') !== (reversed === true);
        byId('sort').append(new Option(`${label} ${falls ? '↓' : '↑'}`, `${key} ${order}`));
      }
    byId('sort').addEventListener('change', ({ target }) => onSort(...target.value.split(' ')));
  }

  /** Shows the order in the header. */
  showOrder({ sort, order }) {
    for (const [key, { head, column }] of this.#buttons) {
      const falls = (order === 'desc') !== (column.reversed === true);
      setAttribute(head, 'aria-sort', key !== sort ? 'none' : falls ? 'descending' : 'ascending');
      if (key === sort) head.dataset.order = order;
      else delete head.dataset.order;
    }
    byId('sort').value = `${sort} ${order}`;
  }

  /** How many listed tunnels this user has. */
  countOf(user) {
    return [...this.#rows.values()].filter((row) => !row.gone && row.tunnel.user === user).length;
  }

  show(state, query) {
    const { tunnels, time } = state;
    const listed = new Set(tunnels.map(({ id }) => id));
    const reason = this.#body.childElementCount === 0 ? undefined : this.#lock.reason;
    byId('tunnels').classList.toggle('replicated', state.replicas !== undefined);
    let waiting = 0;
    let turn = this.#states++;
    this.#time = time;
    for (const tunnel of tunnels) {
      const known = this.#rows.get(tunnel.id);
      turn += 1;
      if (known !== undefined) known.update(tunnel, time, turn % UNSEEN_PERIOD === 0);
      else if (reason === undefined) this.#add(tunnel, time);
      else waiting += 1;
    }
    for (const [id, row] of this.#rows) {
      if (listed.has(id)) continue;
      if (reason === undefined) this.#remove(id, row);
      else row.end();
    }
    if (reason === undefined) this.#arrange(tunnels);
    this.#describe(state, query, reason, waiting);
  }

  /** Call this after all writes: each chart reads its size, which costs a layout after a write. */
  draw() {
    for (const row of this.#rows.values()) if (row.visible) row.draw();
  }

  clear() {
    for (const [id, row] of this.#rows) this.#remove(id, row);
  }

  #add(tunnel, time) {
    const row = new Row(tunnel);
    row.update(tunnel, time, true);
    this.#rows.set(tunnel.id, row);
    this.#byNode.set(row.node, row);
    this.#watcher.observe(row.node);
  }

  #remove(id, row) {
    this.#watcher.unobserve(row.node);
    row.node.remove();
    this.#rows.delete(id);
  }

  /** Moves only rows that are out of place. A row that had the focus gets the focus again after its move. */
  #arrange(tunnels) {
    const focused = document.activeElement;
    let next = this.#body.firstElementChild;
    for (const { id } of tunnels) {
      const { node } = this.#rows.get(id);
      if (node === next) next = node.nextElementSibling;
      else this.#body.insertBefore(node, next);
    }
    if (focused !== document.activeElement && this.#body.contains(focused))
      focused.focus({ preventScroll: true });
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const row = this.#byNode.get(target);
      row.visible = isIntersecting;
      if (!isIntersecting) continue;
      row.write(this.#time);
      row.draw();
    }
  }

  #describe({ matching, tunnels, totals }, { q, limit }, reason, waiting) {
    const gone = [...this.#rows.values()].filter((row) => row.gone).length;
    const changes = [waiting > 0 && `${count(waiting)} more`, gone > 0 && `${count(gone)} ended`];
    const news = changes.filter(Boolean).join(', ');
    const shown =
      q === '' ? plural(matching, 'tunnel') : `${count(matching)} of ${plural(totals.open, 'tunnel')} match`;
    const listed = matching > tunnels.length ? `${count(tunnels.length)} of ${count(matching)} shown` : shown;
    setText(
      byId('matching'),
      news === '' ? listed : `${listed} · the list keeps its rows ${reason} (${news})`,
    );
    const empty = byId('no-tunnels');
    empty.hidden = this.#rows.size > 0;
    byId('tunnels').hidden = this.#rows.size === 0;
    setText(empty, q === '' ? 'No tunnel is open.' : 'No open tunnel matches the filter.');
    byId('cut').hidden = matching <= tunnels.length;
    byId('more').hidden = limit === MOST;
    setText(
      byId('cut-text'),
      `${count(tunnels.length)} of ${count(matching)} shown, the first in this order. Filter or sort to see others.`,
    );
  }
}
