// The roles of the accounts, for the administrator.
import { byId } from './dom.js';

const labels = { operator: 'Operator', trainee: 'Trainee', administrator: 'Administrator' };
const meanings = {
  operator: 'Uses keys, pointer and clipboard of the desktop, and the terminal.',
  trainee: 'Watches the same desktop. The server drops keys and pointer.',
  administrator: 'Also sees and ends the tunnels of all users, and changes roles.',
};

function make(kind, className, ...content) {
  const element = document.createElement(kind);
  element.className = className;
  element.append(...content);
  return element;
}

/** One button of a choice between two roles. */
function choiceOf(name, role, chosen) {
  const button = make('button', 'role-choice', labels[role]);
  button.type = 'button';
  button.setAttribute('aria-pressed', String(chosen));
  button.addEventListener('click', () => !chosen && void change(name, role));
  return button;
}

function itemOf({ name, role, canChange }) {
  const words = make('div', 'role-words', make('strong', '', name), make('span', '', meanings[role]));
  const group = make('div', 'role-choices');
  group.dataset.name = name;
  if (canChange) {
    group.role = 'group';
    group.setAttribute('aria-label', `Role of ${name}`);
    for (const one of ['operator', 'trainee']) group.append(choiceOf(name, one, one === role));
  } else {
    group.append(make('span', 'role-fixed', labels[role]));
  }
  return make('li', 'role', words, group);
}

function note(text) {
  byId('note').textContent = text;
  byId('note').hidden = text === '';
}

async function change(name, role) {
  const answer = await fetch('/roles', { method: 'POST', body: new URLSearchParams({ name, role }) }).catch(
    () => undefined,
  );
  await load();
  if (answer?.ok) document.querySelector(`[data-name="${name}"] [aria-pressed="true"]`)?.focus();
  else note('The role could not be changed: the server does not answer, or you are no longer logged in.');
}

async function load() {
  try {
    const answer = await fetch('/logins', { cache: 'no-store' });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    byId('roles').replaceChildren(...(await answer.json()).map(itemOf));
    note('');
  } catch {
    note('The roles could not be loaded: the server does not answer.');
  }
}

await load();
