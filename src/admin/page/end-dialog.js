// Ends one tunnel, or all tunnels of a user. The dialog names what ends.
import { byId, element, plain, setText } from './dom.js';
import { ask } from './stream.js';
import { bytes, duration, exactTime, plural } from './units.js';

/** Bytes of UTF-8: the longest reason of a Close (RFC 6455 section 5.5). */
const LONGEST_REASON = 123;
/** The server shortens longer names, and the page does not know the rest of the name. */
const LONGEST_USER = 999;

/** Hooks: `onEnded(text, isComplete)`, `onLogin(name)`, `countOf(user)`. */
export class EndDialog {
  #dialog = byId('end');
  #row;
  #busy = false;
  #hooks;

  constructor(hooks) {
    this.#hooks = hooks;
    byId('end-cancel').addEventListener('click', () => this.#dialog.close());
    byId('end-scope').addEventListener('change', () => this.#describe());
    byId('end-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#send();
    });
    // A click on the backdrop.
    this.#dialog.addEventListener('click', ({ target }) => {
      if (target === this.#dialog) this.#dialog.close();
    });
  }

  open(row, now) {
    this.#row = row;
    const { tunnel } = row;
    byId('end-form').reset();
    byId('end-error').hidden = true;
    byId('end-scope').hidden = tunnel.user === undefined || tunnel.user.length > LONGEST_USER;
    byId('end-facts').replaceChildren(...factsOf(tunnel, now));
    this.#describe();
    this.#dialog.showModal();
    byId('end-cancel').focus({ preventScroll: true });
    // showModal() scrolls to the first radio button: the top of the dialog says which tunnel ends.
    this.#dialog.scrollTop = 0;
  }

  close() {
    this.#dialog.close();
  }

  get #all() {
    return byId('end-all').checked;
  }

  #describe() {
    const { user } = this.#row.tunnel;
    const all = this.#all;
    if (user !== undefined) {
      const here = this.#hooks.countOf(user);
      setText(byId('end-all-text'), `All tunnels of ${plain(user, 60)} (${here} in this list)`);
    }
    setText(byId('end-title'), all ? `End all tunnels of ${plain(user, 60)}?` : 'End this tunnel?');
    setText(byId('end-send'), all ? `End all of ${plain(user, 24)}` : 'End tunnel');
  }

  async #send() {
    if (this.#busy) return;
    const { tunnel } = this.#row;
    const all = this.#all;
    const reason = byId('end-reason').value.trim();
    if (new TextEncoder().encode(reason).length > LONGEST_REASON)
      return this.#fail(`The reason is longer than ${LONGEST_REASON} bytes: shorten it.`);
    this.#busy = true;
    byId('end-send').setAttribute('aria-disabled', 'true');
    const answer = await ask('end', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({
        ...(all ? { user: tunnel.user } : { id: tunnel.id }),
        ...(reason === '' ? {} : { reason }),
      }),
    });
    this.#busy = false;
    byId('end-send').removeAttribute('aria-disabled');
    if (answer.ended !== undefined) {
      this.#dialog.close();
      return this.#hooks.onLogin(answer.ended);
    }
    if (answer.error !== undefined) return this.#fail(`Nothing was ended: ${plain(answer.error)}.`);
    this.#dialog.close();
    this.#hooks.onEnded(...outcomeOf(answer.body, all ? undefined : this.#row.title, tunnel.user));
  }

  #fail(text) {
    setText(byId('end-error'), text);
    byId('end-error').hidden = false;
  }
}

/** The text of the notice, and whether all processes have answered. `one`: the title of the only tunnel to end. */
function outcomeOf({ ended, silent }, one, user) {
  const whose = plain(user ?? '', 60);
  const ofUser =
    ended === 0 ? `No tunnel of ${whose} was open.` : `Ended ${plural(ended, 'tunnel')} of ${whose}.`;
  const ofOne = ended === 0 ? `Nothing to end: ${one} had already ended.` : `Ended ${one}.`;
  const done = one === undefined ? ofUser : ofOne;
  if (silent.length === 0) return [done, true];
  const names = silent.slice(0, 5).map((name) => plain(name, 40));
  const more = silent.length > names.length ? ` and ${silent.length - names.length} more` : '';
  return [`${done} No answer from ${names.join(', ')}${more}: tunnels there may still be open.`, false];
}

function factsOf(tunnel, now) {
  const facts = [
    ['User', tunnel.user ?? '–'],
    ['Address', tunnel.address],
    ['Backend', tunnel.backend],
    ['URL', tunnel.url],
    ['Open for', `${duration(now - tunnel.since)}, since ${exactTime(tunnel.since)}`],
    ['Payload', `${bytes(tunnel.bytesIn)} from the client, ${bytes(tunnel.bytesOut)} to the client`],
    ['Replica', tunnel.replica],
    ['Id', tunnel.id],
  ];
  return facts
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [element('dt', '', name), element('dd', '', plain(value))]);
}
