// The list of the recordings.
import { byId } from './dom.js';
import { dateOf, sizeOf, spokenTime, stateOf, timeOf, userOf } from './playback-text.js';

function cell(label, content, className = '') {
  const element = document.createElement('td');
  element.dataset.label = label;
  element.className = className;
  element.append(content);
  return element;
}

function linkTo(entry) {
  const link = document.createElement('a');
  link.href = `/recordings/${encodeURIComponent(entry.id)}`;
  link.textContent = dateOf(entry.start);
  link.title = dateOf(entry.start, 'medium');
  return link;
}

function durationOf({ state, duration }) {
  if (state === 'unreadable') return '–';
  const element = document.createElement('span');
  element.title = spokenTime(duration);
  element.textContent = timeOf(duration);
  return element;
}

function badgeOf(entry) {
  const badge = document.createElement('span');
  badge.className = 'badge';
  badge.dataset.state = entry.state === 'finished' && entry.reason !== undefined ? 'stopped' : entry.state;
  badge.textContent = stateOf(entry);
  if (entry.reason !== undefined) badge.title = entry.reason;
  return badge;
}

function rowOf(entry) {
  const row = document.createElement('tr');
  row.append(
    cell('Start', linkTo(entry)),
    cell('User', entry.state === 'unreadable' ? '–' : userOf(entry)),
    cell('Address', entry.address || '–'),
    cell('Duration', durationOf(entry), 'number'),
    cell('Size', sizeOf(entry.size), 'number'),
    cell('State', badgeOf(entry)),
  );
  return row;
}

function note(text) {
  byId('note').textContent = text;
  byId('note').hidden = text === '';
}

async function load() {
  try {
    const answer = await fetch('/recordings/list', { cache: 'no-store' });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const { recordings, older } = await answer.json();
    byId('rows').replaceChildren(...recordings.map(rowOf));
    byId('table').hidden = recordings.length === 0;
    byId('count').textContent = recordings.length === 1 ? '1 recording' : `${recordings.length} recordings`;
    note(
      recordings.length === 0
        ? 'Nothing is recorded yet: open a desktop, and its recording appears here.'
        : older > 0
          ? `The folder has ${older} older recordings.`
          : '',
    );
  } catch {
    byId('count').textContent = 'The list could not be loaded';
    note('The server does not answer, or you are no longer logged in.');
  }
}

byId('reload').addEventListener('click', () => void load());
await load();
