// The connection to the server: events while the page is shown, single states while it is paused.
import { parametersOf } from './query.js';

/** Milliseconds without a stream before the page shows it: the server ends each stream after 30 seconds, and the browser reconnects after one. */
const GRACE = 4000;
/** Milliseconds without an event on an open stream: a proxy may buffer the events. */
const SILENCE = 15_000;
/** Milliseconds in the background after which the page closes its stream. */
const BACKGROUND = 30_000;
/** Milliseconds for the answer to a request. */
const DEADLINE = 10_000;
/** Milliseconds before each new attempt; the last value repeats. */
const DELAYS = [1000, 2000, 4000, 8000];

/**
 * States: `connecting`, `live`, `silent`, `reconnecting`, `paused`, `login` (the app's login has ended), `forbidden`.
 * `onState(state)` gets each object of the server, `onChange(name)` each change of the connection.
 */
export class Stream {
  #source;
  #query;
  #paused = false;
  #tries = 0;
  #retry;
  #background;
  /** Increased by each change: a late answer to an earlier request is ignored. */
  #turn = 0;
  #lastEvent = performance.now();
  #lastOpen = performance.now();
  #onState;
  #onChange;
  name = 'connecting';

  constructor({ query, onState, onChange }) {
    this.#query = query;
    this.#onState = onState;
    this.#onChange = onChange;
    document.addEventListener('visibilitychange', () => this.#visibility());
    setInterval(() => this.#watch(), 1000);
    this.#open();
  }

  get ended() {
    return this.name === 'login' || this.name === 'forbidden';
  }

  /** The query of the following states. */
  ask(query) {
    this.#query = query;
    this.refresh();
  }

  /** Gets the current state, even while paused. */
  refresh() {
    if (this.ended) return;
    if (this.#paused) void this.#probe();
    else this.#open();
  }

  pause(paused) {
    if (this.ended) return;
    this.#paused = paused;
    if (!paused) return this.#open();
    this.#close();
    this.#become('paused');
  }

  /** The app's answer to another request shows that the login has ended. */
  end(name) {
    this.#close();
    this.#become(name);
  }

  #open() {
    this.#close();
    if (this.ended || this.#paused) return;
    this.#lastEvent = this.#lastOpen = performance.now();
    const source = new EventSource(`events?${parametersOf(this.#query)}`);
    this.#source = source;
    source.addEventListener('open', () => (this.#lastEvent = performance.now()));
    source.addEventListener('state', ({ data }) => {
      this.#tries = 0;
      this.#lastEvent = performance.now();
      this.#become('live');
      this.#onState(JSON.parse(data));
    });
    source.addEventListener('error', () => {
      // Otherwise the browser tries again by itself.
      if (source.readyState === EventSource.CLOSED && source === this.#source) void this.#probe();
    });
  }

  #close() {
    this.#turn += 1;
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = undefined;
  }

  /** An EventSource does not reveal why it failed, but an ordinary request does. */
  async #probe() {
    this.#close();
    const turn = this.#turn;
    const answer = await ask(`state?${parametersOf(this.#query)}`);
    if (turn !== this.#turn) return;
    if (answer.ended !== undefined) return this.#become(answer.ended);
    if (answer.body !== undefined) this.#onState(answer.body);
    if (this.#paused) return;
    // An app that answers, but sends no events: the page polls.
    if (answer.body === undefined || this.#tries > 1) this.#become('reconnecting');
    const delay = DELAYS[Math.min(this.#tries, DELAYS.length - 1)];
    this.#tries += 1;
    this.#retry = setTimeout(() => this.#open(), delay);
  }

  #watch() {
    const source = this.#source;
    if (source === undefined) return;
    if (source.readyState === EventSource.OPEN) {
      this.#lastOpen = performance.now();
      if (performance.now() - this.#lastEvent > SILENCE) this.#become('silent');
    } else if (performance.now() - this.#lastOpen > GRACE) this.#become('reconnecting');
  }

  #visibility() {
    clearTimeout(this.#background);
    if (document.hidden) this.#background = setTimeout(() => this.#close(), BACKGROUND);
    else if (this.#source === undefined) this.#open();
  }

  #become(name) {
    if (this.name === name || this.ended) return;
    this.name = name;
    this.#onChange(name);
  }
}

/**
 * A request to the server: `{ body }`, `{ ended: 'login' | 'forbidden' }` or `{ error }`. Apps answer a request without a login by 401
 * or 403, by a redirect, or by a page in place of JSON.
 */
export async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      cache: 'no-store',
      redirect: 'manual',
      signal: AbortSignal.timeout(DEADLINE),
      ...options,
      headers: { Accept: 'application/json', ...options.headers },
    });
    if (response.type === 'opaqueredirect' || response.status === 401) return { ended: 'login' };
    const isJson = /^application\/json\b/.test(response.headers.get('content-type') ?? '');
    if (response.ok && !isJson) return { ended: 'login' };
    const body = isJson ? await response.json() : undefined;
    if (response.ok) return { body };
    if (response.status === 403 && body?.error === undefined) return { ended: 'forbidden' };
    return { error: body?.error ?? `the server answered ${response.status}` };
  } catch {
    return { error: response === undefined ? 'the server does not answer' : 'the answer is incomplete' };
  }
}
