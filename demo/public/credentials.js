// The two questions that a VNC server may have: credentials, and whether its key is trusted.
import { byId } from './dom.js';

const dialog = byId('credentials');
const form = byId('credentials-form');
const verify = byId('verify');

let given; // Called with the answer, or with nothing when the user cancelled.
let trusted;

function settle(answer) {
  const tell = given;
  given = undefined;
  if (dialog.open) dialog.close();
  for (const input of dialog.querySelectorAll('input')) input.value = '';
  tell?.(answer);
}

function settleTrust(answer) {
  const tell = trusted;
  trusted = undefined;
  if (verify.open) verify.close();
  tell?.(answer);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const answer = {};
  for (const field of dialog.querySelectorAll('[data-type]:not([hidden])')) {
    answer[field.dataset.type] = field.querySelector('input').value;
  }
  settle(answer);
});
byId('credentials-cancel').addEventListener('click', () => settle());
dialog.addEventListener('cancel', (event) => {
  event.preventDefault();
  settle();
});
byId('verify-accept').addEventListener('click', () => settleTrust(true));
byId('verify-cancel').addEventListener('click', () => settleTrust(false));
verify.addEventListener('cancel', (event) => {
  event.preventDefault();
  settleTrust(false);
});

/** Asks for those of username, password and target that are in `types`. */
export function askCredentials(types, done) {
  given = done;
  for (const field of dialog.querySelectorAll('[data-type]'))
    field.hidden = !types.includes(field.dataset.type);
  dialog.showModal();
  dialog.querySelector('[data-type]:not([hidden]) input')?.focus();
}

/** Shows the fingerprint of a server's key. */
export async function askTrust(publicKey, done) {
  const digest = new Uint8Array(await window.crypto.subtle.digest('SHA-256', publicKey));
  const hex = [...digest.slice(0, 16)].map((byte) => byte.toString(16).padStart(2, '0'));
  byId('verify-key').textContent = `${hex.slice(0, 8).join(' ')}
${hex.slice(8).join(' ')}`;
  trusted = done;
  verify.showModal();
}

/** The connection is gone: so are its questions. */
export function dropQuestions() {
  given = undefined;
  trusted = undefined;
  settle();
  settleTrust();
}
