// The two questions of a VNC server: for the credentials, and whether the user trusts the server's key.
import { byId } from './dom.js';

const dialog = byId('credentials');
const form = byId('credentials-form');
const verify = byId('verify');

let onCredentials; // Called with the answer, or with undefined if the user cancelled.
let onTrust; // Called with true or false.

function settle(answer) {
  const done = onCredentials;
  onCredentials = undefined;
  if (dialog.open) dialog.close();
  for (const input of dialog.querySelectorAll('input')) input.value = '';
  done?.(answer);
}

function settleTrust(answer) {
  const done = onTrust;
  onTrust = undefined;
  if (verify.open) verify.close();
  done?.(answer);
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

/** Asks for the credentials in `types`: username, password, target. */
export function askCredentials(types, done) {
  onCredentials = done;
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
  onTrust = done;
  verify.showModal();
}

/** Closes the questions of a connection that has ended, without an answer. */
export function dropQuestions() {
  onCredentials = undefined;
  onTrust = undefined;
  settle();
  settleTrust();
}
